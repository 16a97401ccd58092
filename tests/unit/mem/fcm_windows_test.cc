// Windows: what a program sees through them, and that it sees nothing once they are closed, on
// whichever CPU it runs.
#include "mem/fcm_windows.h"

#include <string>

#include "machine/hosted.h"
#include "unit/mem/beside.h"
#include "unit/mem/test_space.h"

namespace k42::mem {
namespace {

constexpr Protection kReadWrite = kProtectRead | kProtectWrite;
constexpr std::uint64_t kFilePages = 100;

class FcmWindowsTest : public testing::Test {
 protected:
  FcmWindowsTest() {
    for (FcmFile*& file : files_) {
      file = FcmFile::Create(test_.services, nullptr, 0).value();
      for (std::uint64_t page = 0; page < kFilePages; ++page) {
        Put(*file, page * kPageSize, page + 1);
      }
    }
    base_ = space_
                ->Map({.size = FcmWindows::kWindows * FcmWindows::kWindow,
                       .protection = kReadWrite,
                       .shared = true,
                       .source = windows_})
                .value();
  }
  ~FcmWindowsTest() override {
    space_->Destroy();
    windows_->DropReference();
    for (FcmFile* file : files_) {
      EXPECT_TRUE(file->HasOneReference());
      file->DropReference();
    }
  }
  static void Put(FcmFile& file, std::uint64_t at, std::uint64_t value) {
    ASSERT_TRUE(file.Write(at, BufferIn::Kernel(&value, sizeof(value)), Waiting::kYes).ok());
  }
  static std::uint64_t Get(FcmFile& file, std::uint64_t at) {
    std::uint64_t value = 0;
    EXPECT_TRUE(file.Read(at, BufferOut::Kernel(&value, sizeof(value)), Waiting::kYes).ok());
    return value;
  }
  std::uint64_t At(std::uint32_t window, std::uint64_t page) const {
    return base_ + window * FcmWindows::kWindow + page * kPageSize;
  }

  TestServices test_;
  FcmFile* files_[2];
  FcmWindows* windows_ = FcmWindows::Create(test_.services).value();
  AddressSpace* space_ = AddressSpace::Create(test_.services).value();
  std::uint64_t base_ = 0;
};

TEST_F(FcmWindowsTest, AWindowIsTheFilesPages) {
  EXPECT_EQ(Load(*space_, base_).status(), Status::kOutOfRange);
  const std::uint32_t window = windows_->Open(*files_[0], 0, true).value();
  EXPECT_EQ(Load(*space_, At(window, 40)).value(), 41u);
  ASSERT_EQ(Store(*space_, At(window, 40), 1000), Status::kOk);
  ASSERT_EQ(Store(*space_, At(window, 41), 1001), Status::kOk);  // mapped with its neighbour
  EXPECT_EQ(Get(*files_[0], 40 * kPageSize), 1000u);
  EXPECT_EQ(Get(*files_[0], 41 * kPageSize), 1001u);
  EXPECT_EQ(Load(*space_, At(window, kFilePages)).status(), Status::kOutOfRange);
  EXPECT_EQ(files_[0]->resident_pages(), kFilePages) << "a window makes no pages";
  windows_->Close(window);
  EXPECT_EQ(Load(*space_, At(window, 40)).status(), Status::kOutOfRange);
  EXPECT_EQ(Store(*space_, At(window, 41), 5), Status::kOutOfRange);
  EXPECT_EQ(Get(*files_[0], 41 * kPageSize), 1001u);
}

TEST_F(FcmWindowsTest, OneForReadingIsNotWritten) {
  const std::uint32_t window = windows_->Open(*files_[0], 0, false).value();
  EXPECT_EQ(Store(*space_, At(window, 3), 5), Status::kPermissionDenied);
  EXPECT_EQ(Load(*space_, At(window, 3)).value(), 4u);
  EXPECT_EQ(Store(*space_, At(window, 3), 5), Status::kPermissionDenied);
  EXPECT_EQ(Store(*space_, At(window, 4), 5), Status::kPermissionDenied);
  windows_->Close(window);
}

TEST_F(FcmWindowsTest, WindowsMoveAndAreUsedAgain) {
  std::uint32_t window[FcmWindows::kWindows];
  for (std::uint32_t i = 0; i < FcmWindows::kWindows; ++i) {
    window[i] = windows_->Open(*files_[i % 2], i * kPageSize, i % 2 == 0).value();
    EXPECT_EQ(Load(*space_, At(window[i], 0)).value(), i + 1);
  }
  EXPECT_EQ(windows_->Open(*files_[0], 0, true).status(), Status::kLimitExceeded);
  windows_->Move(window[2], 50 * kPageSize);
  EXPECT_EQ(Load(*space_, At(window[2], 0)).value(), 51u);
  EXPECT_EQ(Load(*space_, At(window[2], 49)).value(), 100u);
  EXPECT_EQ(Load(*space_, At(window[2], 50)).status(), Status::kOutOfRange);
  EXPECT_EQ(Load(*space_, At(window[3], 0)).value(), 4u);
  windows_->Close(window[3]);
  Put(*files_[1], 0, 77);
  EXPECT_EQ(windows_->Open(*files_[1], 0, true).value(), window[3]);
  EXPECT_EQ(Load(*space_, At(window[3], 0)).value(), 77u);
  for (const std::uint32_t each : window) {
    windows_->Close(each);
  }
}

// All mappings there are, as a hostile process may make them, and parts of them.
TEST_F(FcmWindowsTest, ClosedInEveryMapping) {
  const std::uint32_t window = windows_->Open(*files_[0], 0, true).value();
  const std::uint64_t other = space_
                                  ->Map({.size = 3 * kPageSize,
                                         .protection = kReadWrite,
                                         .shared = true,
                                         .source = windows_,
                                         .offset = At(window, 30) - base_})
                                  .value();
  EXPECT_EQ(Load(*space_, other + 2 * kPageSize).value(), 33u);
  ASSERT_EQ(space_->Protect(At(window, 31), kPageSize, kProtectRead), Status::kOk);
  EXPECT_EQ(Store(*space_, At(window, 31), 1), Status::kPermissionDenied);
  EXPECT_EQ(Load(*space_, At(window, 31)).value(), 32u);
  windows_->Close(window);
  for (std::uint64_t page = 0; page < 3; ++page) {
    EXPECT_EQ(Load(*space_, other + page * kPageSize).status(), Status::kOutOfRange);
    EXPECT_EQ(Load(*space_, At(window, 30 + page)).status(), Status::kOutOfRange);
  }
}

// All regions are gone through with a file's lock held by whoever waits for ours. So there are few,
// however they are made.
TEST_F(FcmWindowsTest, FewRegionsShowThem) {
  const auto map = [&] {
    return space_->Map(
        {.size = 4 * kPageSize, .protection = kReadWrite, .shared = true, .source = windows_});
  };
  std::uint64_t at = 0;
  for (std::uint32_t regions = 1; regions < kMostWindowRegions; ++regions) {
    at = map().value();
  }
  EXPECT_EQ(map().status(), Status::kLimitExceeded);
  EXPECT_EQ(space_->Protect(at + kPageSize, kPageSize, kProtectRead), Status::kLimitExceeded);
  EXPECT_EQ(space_->Unmap(at + kPageSize, kPageSize), Status::kLimitExceeded);
  EXPECT_EQ(
      space_->Remap({.address = at, .size = kPageSize, .new_size = 2 * kPageSize, .may_move = true})
          .status(),
      Status::kLimitExceeded);
  EXPECT_EQ(space_->ForkCopy().status(), Status::kLimitExceeded);
  EXPECT_EQ(space_->Unmap(at, 4 * kPageSize), Status::kOk);
  ASSERT_EQ(space_->Protect(base_, kPageSize, kProtectRead), Status::kOk);  // two of one
  EXPECT_EQ(map().status(), Status::kLimitExceeded);
  ASSERT_EQ(space_->Protect(base_, kPageSize, kReadWrite), Status::kOk);  // one again
  EXPECT_TRUE(map().ok());
}

// Somebody stores all the time on another CPU. What Close has returned after stays.
TEST_F(FcmWindowsTest, NothingIsStoredOnceItIsClosed) {
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> stored{0};
  std::atomic<std::uint32_t> window{0};
  Beside program(
      [&] {
        for (std::uint64_t round = 0; !done.load(); ++round) {
          stored += IsOk(Store(*space_, At(window.load(), round % 64), round)) ? 1 : 0;
          machine::Thread::Yield();
        }
      },
      1);
  for (int round = 0; round < 200; ++round) {
    FcmFile& file = *files_[round % 2];
    window = windows_->Open(file, 0, true).value();
    for (const std::uint64_t before = stored.load(); stored.load() < before + 20;) {
      machine::Thread::Yield();
    }
    if (round % 3 == 0) {
      windows_->Move(window, 10 * kPageSize);
    }
    windows_->Close(window);
    std::uint64_t now[64];
    for (std::uint64_t page = 0; page < 64; ++page) {
      now[page] = Get(file, page * kPageSize);
    }
    for (int i = 0; i < 50; ++i) {
      machine::Thread::Yield();
    }
    for (std::uint64_t page = 0; page < 64; ++page) {
      ASSERT_EQ(Get(file, page * kPageSize), now[page]) << round;
    }
  }
  done = true;
  program.Wait();
}

}  // namespace
}  // namespace k42::mem
