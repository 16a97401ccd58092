// Descriptor numbers: lowest free first, copies, close on exec, limits.
#include "user/linux/fd_table.h"

#include <gtest/gtest.h>

#include "user/linux/abi_errno.h"
#include "user/linux/heap.h"

namespace k42::personality {
namespace {

int alive = 0;

class FakeFile final : public Description {
 public:
  FakeFile() : Description(Kind::kTimer, 0) { ++alive; }
  std::int64_t Read(std::uint64_t, std::uint64_t) override { return 0; }
  std::int64_t Write(std::uint64_t, std::uint64_t) override { return 0; }
  std::uint64_t Poll() override { return 0; }
  Status StartWatch(Watch*, std::uint32_t, std::uint64_t) override { return Status::kOk; }
  void StopWatch(Watch*) override {}

 private:
  void Destroy() override {
    --alive;
    delete this;
  }
};

class FdTableTest : public testing::Test {
 protected:
  void SetUp() override { table_ = New<FdTable>(); }
  void TearDown() override {
    FdTable::Release(table_);
    EXPECT_EQ(alive, 0);
  }
  FdTable* table_;
};

TEST_F(FdTableTest, GivesTheLowestFreeNumber) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(table_->Add(new FakeFile, false), i);
  }
  EXPECT_EQ(table_->Close(7), 0);
  EXPECT_EQ(table_->Close(3), 0);
  EXPECT_EQ(table_->Close(3), -kEBADF);
  EXPECT_EQ(table_->Add(new FakeFile, false), 3);
  EXPECT_EQ(table_->Add(new FakeFile, false), 7);
  EXPECT_EQ(table_->Add(new FakeFile, false), 100);
}

TEST_F(FdTableTest, StartsAtTheMinimumAsked) {
  EXPECT_EQ(table_->Add(new FakeFile, false, 10), 10);
  EXPECT_EQ(table_->Add(new FakeFile, false, 10), 11);
  EXPECT_EQ(table_->Add(new FakeFile, false), 0);
  EXPECT_EQ(table_->Add(new FakeFile, false), 1);
}

TEST_F(FdTableTest, LimitStopsNewNumbersOnly) {
  table_->limit = 2;
  EXPECT_EQ(table_->Add(new FakeFile, false), 0);
  EXPECT_EQ(table_->Add(new FakeFile, false), 1);
  EXPECT_EQ(table_->Add(new FakeFile, false), -kEMFILE);
  EXPECT_EQ(table_->Put(5, new FakeFile, false), -kEBADF);
  EXPECT_EQ(alive, 2);
}

TEST_F(FdTableTest, PutReplacesWhatWasThere) {
  EXPECT_EQ(table_->Put(4, new FakeFile, false), 4);
  EXPECT_EQ(table_->Put(4, new FakeFile, true), 4);
  EXPECT_EQ(alive, 1);
  EXPECT_TRUE(table_->close_on_exec(4));
  EXPECT_EQ(table_->Peek(3), nullptr);
  EXPECT_EQ(table_->Add(new FakeFile, false), 0);
}

TEST_F(FdTableTest, CopySharesDescriptions) {
  (void)table_->Add(new FakeFile, false);
  (void)table_->Add(new FakeFile, true);
  FdTable* copy = table_->Copy();
  EXPECT_EQ(copy->Peek(0), table_->Peek(0));
  copy->CloseForExec();
  EXPECT_EQ(copy->Peek(1), nullptr);
  EXPECT_NE(table_->Peek(1), nullptr);
  EXPECT_EQ(copy->Close(0), 0);
  EXPECT_NE(table_->Peek(0), nullptr);
  FdTable::Release(copy);
  EXPECT_EQ(alive, 2);
}

TEST_F(FdTableTest, RangesAreClipped) {
  for (int i = 0; i < 10; ++i) {
    (void)table_->Add(new FakeFile, false);
  }
  table_->SetCloseOnExecRange(8, ~0u);
  table_->CloseRange(3, 5);
  EXPECT_EQ(alive, 7);
  table_->CloseForExec();
  EXPECT_EQ(alive, 5);
}

TEST_F(FdTableTest, ReferenceOutlivesClose) {
  (void)table_->Add(new FakeFile, false);
  {
    DescriptionRef reference = table_->Get(0);
    (void)table_->Close(0);
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace k42::personality
