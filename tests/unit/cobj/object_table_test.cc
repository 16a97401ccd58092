// The object table: its limit, ids that change CPUs, growth without memory.
#include "cobj/object_table.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <memory>
#include <vector>

#include "cobj/make.h"
#include "machine/cpu_area.h"
#include "machine/hosted.h"
#include "support/counters.h"
#include "support/node_fixture.h"

namespace k42::cobj {
namespace {

using machine::hosted::RefuseObjectTable;
using machine::hosted::RunOn;

// Blocks one after the other out of one range of the host's, which goes with all of them.
class Range final : public Allocator {
 public:
  static constexpr std::size_t kSize = std::size_t{1} << 30;
  static constexpr std::size_t kAlign = 64;
  Range()
      : base_(static_cast<std::byte*>(mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {}
  ~Range() { munmap(base_, kSize); }
  Range(const Range&) = delete;

  void* Allocate(std::size_t size, std::size_t align) override {
    if (refuse)
      return nullptr;
    EXPECT_LE(align, kAlign);
    const std::size_t place = used_.fetch_add((size + kAlign - 1) / kAlign * kAlign);
    return place + size <= kSize ? base_ + place : nullptr;
  }
  void Free(void*, std::size_t) override {}

  bool refuse = false;

 private:
  std::byte* const base_;
  std::atomic<std::size_t> used_{0};
};

// A table of its own, whose slots lie in the tables of CPUs that the test program's node has not.
class ObjectTableTest : public test::ObjectFixture {
 protected:
  static constexpr machine::CpuId kFirst = test::TestNode::kCpus;

  void SetUp() override {
    table_->SetAllocator(range_);
    for (const machine::CpuId cpu : {kFirst, kFirst + 1})
      ASSERT_EQ(table_->AddCpu(cpu), Status::kOk);
  }
  void TearDown() override {
    RefuseObjectTable(machine::kMaxCpus);
    ObjectFixture::TearDown();
  }
  // All ids that there are without growth are handed out: those of a chunk come in order.
  void UseUp() {
    Result<RefBits> bits = table_->Allocate();
    while (bits.ok() && (IndexOfBits(bits.value()) + 1) % ObjectTable::kChunkIds != 0)
      bits = table_->Allocate();
    ASSERT_TRUE(bits.ok());
  }

  Range range_;
  std::unique_ptr<ObjectTable> table_ = std::make_unique<ObjectTable>();
};

TEST_F(ObjectTableTest, HasAsManyIdsAsALocalTableHoldsAndThenSaysSo) {
  constexpr std::uint64_t kAll = std::uint64_t{ObjectTable::kMaxChunks} * ObjectTable::kChunkIds;
  std::uint64_t count = 0;
  RefBits last = 0;
  Result<RefBits> bits = table_->Allocate();
  for (; bits.ok(); bits = table_->Allocate()) {
    last = bits.value();
    ++count;
  }
  EXPECT_EQ(bits.status(), Status::kLimitExceeded);
  EXPECT_EQ(count, kAll - 1);  // the first is no object's
  EXPECT_EQ(table_->chunks(), ObjectTable::kMaxChunks);
  EXPECT_EQ(table_->Allocate().status(), Status::kLimitExceeded);
  table_->Free(last);  // what comes back can be had again
  EXPECT_EQ(table_->Allocate().ValueOr(0), last);
  EXPECT_EQ(table_->Allocate().status(), Status::kLimitExceeded);
}

// However often a chunk finds no memory: its number is not lost.
TEST_F(ObjectTableTest, GrowthThatFailedIsTriedAgain) {
  UseUp();
  const std::uint32_t chunks = table_->chunks();
  for (std::uint32_t i = 0; i < 2 * ObjectTable::kMaxChunks; ++i) {
    const bool no_slots = i % 2 == 0;
    RefuseObjectTable(no_slots ? kFirst + 1 : machine::kMaxCpus);
    range_.refuse = !no_slots;
    ASSERT_EQ(table_->Allocate().status(), Status::kNoMemory);
    ASSERT_EQ(table_->chunks(), chunks + 1);
  }
  range_.refuse = false;
  const RefBits bits = table_->Allocate().ValueOr(0);
  ASSERT_EQ(bits, BitsOfIndex(chunks * ObjectTable::kChunkIds));
  for (const machine::CpuId cpu : {kFirst, kFirst + 1}) EXPECT_FALSE(IsFilled(cpu, bits));
  EXPECT_EQ(table_->chunks(), chunks + 1);
  EXPECT_TRUE(table_->Knows(bits));
}

// Several at once: each has a number of its own, and each number is used.
TEST_F(ObjectTableTest, GrowthThatFailedOnSeveralCpusIsTriedAgain) {
  const std::uint32_t chunks = table_->chunks();
  RefuseObjectTable(kFirst);
  machine::hosted::RunOnAllCpus([&](machine::CpuId) {
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(table_->Allocate().status(), Status::kNoMemory);
  });
  EXPECT_LE(table_->chunks(), chunks + machine::CpuCount());
  RefuseObjectTable(machine::kMaxCpus);
  machine::hosted::RunOnAllCpus([&](machine::CpuId) { EXPECT_TRUE(table_->Allocate().ok()); });
  EXPECT_EQ(table_->chunks(), chunks + machine::CpuCount());
}

// Ids handed out on one CPU and freed on another come back in chains.
TEST_F(ObjectTableTest, IdsThatChangeCpusDoNotMakeItGrow) {
  constexpr std::uint32_t kRounds = 100'000 / 500;
  std::vector<RefBits> bits(500);
  std::uint32_t most = 0;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    RunOn(0, [&] {
      for (RefBits& each : bits) each = table_->Allocate().value();
    });
    RunOn(1, [&] {
      for (const RefBits each : bits) table_->Free(each);
    });
    if (round == 2)
      most = table_->chunks();
  }
  EXPECT_LE(most, 6u);
  EXPECT_EQ(table_->chunks(), most);
}

// The same of objects: made on one CPU, destroyed on another.
TEST_F(ObjectTableTest, ObjectsThatGoElsewhereDoNotMakeItGrow) {
  constexpr std::uint32_t kAtOnce = 200;
  constexpr std::uint32_t kRounds = 100'000 / kAtOnce;
  std::vector<Ref<idl::ICounter>> objects(kAtOnce);
  std::uint32_t most = 0;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    RunOn(0, [&] {
      for (auto& each : objects) each = MakeShared<test::SharedCounter>().value();
    });
    RunOn(1, [&] {
      for (const auto each : objects) EXPECT_EQ(Destroy(each), Status::kOk);
      QuietPoint();
      HoldBackIfDestroyed();
    });
    if (round == kRounds / 4)
      most = objects_->table().chunks();
  }
  // Those that wait for their grace period when the token is slow: a bounded number.
  constexpr std::uint64_t kAway =
      ObjectManager::kMostAway + kAtOnce + 2 * ObjectManager::kIdBatch + ObjectTable::kMostFree;
  EXPECT_LE(objects_->table().chunks(), most + kAway / ObjectTable::kChunkIds);
}

}  // namespace
}  // namespace k42::cobj
