// Two changes of one page table at the same time. CPU 1 has a translation and does not answer; one
// change has cleared the entry and waits for it; a second one, which finds nothing to clear, must
// not go on as if nobody had the translation.
#include <chrono>
#include <thread>

#include "machine/hosted.h"
#include "unit/mem/test_space.h"

namespace k42::mem {
namespace {

constexpr Protection kReadWrite = kProtectRead | kProtectWrite;
constexpr std::uint64_t kAt = 0x2000'0000;

class UnfinishedTest : public testing::Test {
 protected:
  UnfinishedTest() {
    EXPECT_EQ(space
                  ->Map({.address = kAt,
                         .size = kPageSize,
                         .placement = Placement::kFixed,
                         .protection = kReadWrite,
                         .shared = true,
                         .source = file->fcm})
                  .value(),
              kAt);
  }
  ~UnfinishedTest() override {
    machine::hosted::RunOnAllCpus(
        [this](machine::CpuId) { Hat::LeaveThisCpu(test.services.loaded_hats); });
    space->Destroy();
    file->fcm->DropReference();
    while (!file->gone) {
      machine::Thread::Yield();
    }
  }

  // Lets `first` clear the entry and wait for CPU 1, then `second` run. True if `second` waited for
  // CPU 1 as well; false if it was over while CPU 1 still had its translation.
  template <typename First, typename Second>
  bool SecondWaits(First first, Second second, Access use = Access::kRead) {
    enum Stage { kStart, kTranslated, kCleared, kOver };
    std::atomic<int> stage{kStart};
    bool waited = false;
    const auto until = [&](auto condition) {
      while (!condition()) {
        std::this_thread::yield();
      }
    };
    machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
      if (cpu == 1) {
        std::uint64_t value = 1;
        EXPECT_EQ(Access8(*space, kAt, &value, sizeof(value), use), Status::kOk);
        const machine::PageTableEntry before = space->hat().EntryOf(kAt);
        stage = kTranslated;
        until([&] { return space->hat().EntryOf(kAt) != before; });
        stage = kCleared;
        // Holding the CPU: no message is handled. Who does not wait for it is over soon.
        const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(150);
        until([&] { return stage == kOver || std::chrono::steady_clock::now() > end; });
        waited = stage != kOver;
      } else if (cpu == 0) {
        until([&] { return stage == kTranslated; });
        first();
      } else if (cpu == 2) {
        until([&] { return stage == kCleared; });
        second();
        stage = kOver;
      }
    });
    return waited;
  }

  void Unmap() { EXPECT_EQ(space->Unmap(kAt, kPageSize), Status::kOk); }
  void Forget() { EXPECT_EQ(space->Advise(kAt, kPageSize, Advice::kDontNeed), Status::kOk); }
  void Truncate() { EXPECT_EQ(file->fcm->Resize(0, Waiting::kYes), Status::kOk); }
  void Reclaim() { test.services.page_manager.Reclaim(); }
  void ReadOnly() { EXPECT_EQ(space->Protect(kAt, kPageSize, kProtectRead), Status::kOk); }
  void WriteBack() { EXPECT_EQ(file->fcm->Sync(), Status::kOk); }

  TestServices test;
  std::unique_ptr<TestFile> file = std::make_unique<TestFile>(test.services, kPageSize, false);
  AddressSpace* space = AddressSpace::Create(test.services).value();
};

TEST_F(UnfinishedTest, TruncatedWhileItIsUnmapped) {
  EXPECT_TRUE(SecondWaits([&] { Unmap(); }, [&] { Truncate(); }));
}
TEST_F(UnfinishedTest, ReclaimedWhileItIsUnmapped) {
  EXPECT_TRUE(SecondWaits([&] { Unmap(); }, [&] { Reclaim(); }));
}
TEST_F(UnfinishedTest, TruncatedWhileItIsForgotten) {
  EXPECT_TRUE(SecondWaits([&] { Forget(); }, [&] { Truncate(); }));
}
// Nothing else may come to this address before.
TEST_F(UnfinishedTest, UnmappedWhileItIsTruncated) {
  EXPECT_TRUE(SecondWaits([&] { Truncate(); }, [&] { Unmap(); }));
}
TEST_F(UnfinishedTest, UnmappedWhileItIsReclaimed) {
  EXPECT_TRUE(SecondWaits([&] { Reclaim(); }, [&] { Unmap(); }));
}
// The reclaimer holds its victims: a second one finds nothing to free, and so need not wait.
TEST_F(UnfinishedTest, ReclaimedTwice) {
  const machine::PhysAddr frame = [&] {
    EXPECT_TRUE(Load(*space, kAt).ok());
    return machine::PteAddress(space->hat().EntryOf(kAt));
  }();
  (void)SecondWaits([&] { Reclaim(); },
                    [&] {
                      EXPECT_EQ(test.services.page_manager.Reclaim(), 0u);
                      EXPECT_NE(test.frames.allocator->FrameOf(frame)->references, 0u);
                    });
}
// What a CPU writes before Protect has returned is written back, then or later.
TEST_F(UnfinishedTest, WrittenBackWhileItIsProtected) {
  EXPECT_TRUE(SecondWaits([&] { ReadOnly(); }, [&] { WriteBack(); }, Access::kWrite));
}

// A private view's page is replaced by a copy of its own; the file's page goes meanwhile.
TEST_F(UnfinishedTest, ReclaimedWhileItIsCopied) {
  ASSERT_EQ(space->Unmap(kAt, kPageSize), Status::kOk);
  ASSERT_TRUE(space
                  ->Map({.address = kAt,
                         .size = kPageSize,
                         .placement = Placement::kFixed,
                         .protection = kReadWrite,
                         .source = file->fcm})
                  .ok());
  EXPECT_TRUE(
      SecondWaits([&] { EXPECT_EQ(Store(*space, kAt, 5), Status::kOk); }, [&] { Reclaim(); }));
}

// A page takes the place of one that CPU 1 still reads: what is stored there must not be seen, by
// whatever way, before CPU 1 sees it, too.
class ReplacedTest : public UnfinishedTest {
 protected:
  // Written pages before it, of which a fork copies the first at once: it is shared.
  static constexpr std::uint64_t kBefore = 16;

  ReplacedTest() {
    Unmap();
    const std::uint64_t start = kAt - kBefore * kPageSize;
    EXPECT_TRUE(space
                    ->Map({.address = start,
                           .size = (kBefore + 1) * kPageSize,
                           .placement = Placement::kFixed,
                           .protection = kReadWrite})
                    .ok());
    for (std::uint64_t page = start; page <= kAt; page += kPageSize) {
      EXPECT_EQ(Store(*space, page, 1), Status::kOk);
    }
    child_ = space->ForkCopy().value();
  }
  ~ReplacedTest() override {
    EXPECT_EQ(Load(*child_, kAt).value(), 1u);
    Hat::LeaveThisCpu(test.services.loaded_hats);
    child_->Destroy();
  }
  void StoreHere() { EXPECT_EQ(Store(*space, kAt, 5), Status::kOk); }
  void StoreByKernel() {
    const std::uint64_t value = 5;
    EXPECT_EQ(space->CopyToSpace(kAt, &value, sizeof(value)).value(), sizeof(value));
  }
  // Whether it is stored yet or not.
  void LoadHere() { EXPECT_TRUE(Load(*space, kAt).ok()); }
  void ExpectStored() { EXPECT_EQ(Load(*space, kAt).value(), 5u); }

 private:
  AddressSpace* child_;
};

TEST_F(ReplacedTest, ReadByAnotherOnceItIsForgotten) {
  EXPECT_TRUE(SecondWaits([&] { StoreHere(); }, [&] { LoadHere(); }));
  ExpectStored();
}
TEST_F(ReplacedTest, StoredToByAnotherOnceItIsForgotten) {
  EXPECT_TRUE(SecondWaits([&] { EXPECT_EQ(Store(*space, kAt + 8, 7), Status::kOk); },
                          [&] { StoreHere(); }));
  ExpectStored();
}
TEST_F(ReplacedTest, ReadByAnotherOnceItIsForgottenThatTheKernelWrote) {
  EXPECT_TRUE(SecondWaits([&] { StoreByKernel(); }, [&] { LoadHere(); }));
  ExpectStored();
}
TEST_F(ReplacedTest, TheKernelsWriteIsOverOnceItIsForgotten) {
  EXPECT_TRUE(SecondWaits([&] { EXPECT_EQ(Store(*space, kAt + 8, 7), Status::kOk); },
                          [&] { StoreByKernel(); }));
  ExpectStored();
}

// A change that is told to nobody else's table costs others nothing.
TEST_F(UnfinishedTest, AnotherTableDoesNotWait) {
  std::vector<AddressSpace*> spaces;
  do {
    spaces.push_back(AddressSpace::Create(test.services).value());
  } while (UnfinishedChanges::BucketOf(&spaces.back()->hat()) ==
           UnfinishedChanges::BucketOf(&space->hat()));
  AddressSpace* other = spaces.back();
  const std::uint64_t at = other->Map({.size = kPageSize, .protection = kReadWrite}).value();
  EXPECT_FALSE(SecondWaits([&] { Unmap(); },
                           [&] {
                             EXPECT_EQ(Store(*other, at, 5), Status::kOk);
                             EXPECT_EQ(other->Unmap(at, kPageSize), Status::kOk);
                             Hat::LeaveThisCpu(test.services.loaded_hats);
                           }));
  for (AddressSpace* each : spaces) {
    each->Destroy();
  }
}

}  // namespace
}  // namespace k42::mem
