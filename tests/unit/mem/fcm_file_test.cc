#include "mem/fcm_file.h"

#include <numeric>

#include "machine/hosted.h"
#include "unit/mem/test_space.h"

namespace k42::mem {
namespace {

constexpr Protection kReadWrite = kProtectRead | kProtectWrite;

class FileTest : public testing::TestWithParam<bool> {
 protected:
  FileTest() {
    for (std::size_t i = 0; i < file.bytes.size(); ++i) {
      file.bytes[i] = static_cast<unsigned char>(i / 7);
    }
  }
  ~FileTest() override {
    space->Destroy();
    file.fcm->DropReference();
    while (!file.gone) {
      machine::Thread::Yield();
    }
  }
  std::uint64_t MapFile(bool shared, Protection protection = kReadWrite) {
    return space
        ->Map(
            {.size = 8 * kPageSize, .protection = protection, .shared = shared, .source = file.fcm})
        .value();
  }
  std::uint64_t InFile(std::uint64_t offset) {
    std::uint64_t value = 0;
    std::memcpy(&value, &file.bytes[offset], sizeof(value));
    return value;
  }

  TestServices test;
  TestFile file{test.services, 5 * kPageSize + 100, GetParam()};
  AddressSpace* space = AddressSpace::Create(test.services).value();
};

TEST_P(FileTest, MapReadAndWriteAreCoherent) {
  const std::uint64_t at = MapFile(true);
  EXPECT_EQ(Load(*space, at + 16).value(), InFile(16));
  ASSERT_EQ(Store(*space, at + 16, 1234), Status::kOk);
  std::uint64_t value = 0;
  EXPECT_EQ(file.fcm->Read(16, BufferOut::Kernel(&value, 8), Waiting::kYes).value(), 8u);
  EXPECT_EQ(value, 1234u);
  value = 99;
  EXPECT_EQ(file.fcm->Write(24, BufferIn::Kernel(&value, 8), Waiting::kYes).value(), 8u);
  EXPECT_EQ(Load(*space, at + 24).value(), 99u);
  EXPECT_NE(InFile(24), 99u);
  EXPECT_EQ(file.fcm->Sync(), Status::kOk);
  EXPECT_EQ(InFile(16), 1234u);
  EXPECT_EQ(InFile(24), 99u);
  ASSERT_EQ(Store(*space, at + 16, 5), Status::kOk);  // clean again: this write faults
  EXPECT_EQ(file.fcm->Sync(), Status::kOk);
  EXPECT_EQ(InFile(16), 5u);
}

TEST_P(FileTest, PrivateViewsCopyOnWriteOnly) {
  const std::uint64_t at = MapFile(false);
  const std::uint64_t other = MapFile(false, kProtectRead);
  EXPECT_EQ(Load(*space, at).value(), InFile(0));
  const std::uint64_t original = Load(*space, other).value();
  ASSERT_EQ(Store(*space, at, 42), Status::kOk);
  EXPECT_EQ(Load(*space, at).value(), 42u);
  EXPECT_EQ(Load(*space, other).value(), original);
  // Program text made writable for a moment, as UCX does it.
  ASSERT_EQ(space->Protect(other, kPageSize, kReadWrite | kProtectExecute), Status::kOk);
  ASSERT_EQ(Store(*space, other, 43), Status::kOk);
  ASSERT_EQ(space->Protect(other, kPageSize, kProtectRead | kProtectExecute), Status::kOk);
  EXPECT_EQ(Load(*space, other).value(), 43u);
  EXPECT_EQ(Load(*space, at).value(), 42u);
  EXPECT_EQ(InFile(0), original);
}

// Of what a read fault finds in memory, all of the aligned piece is mapped, and no page that is
// one's own is covered by it; a page that the file loses is lost there, too.
TEST_P(FileTest, AReadFaultMapsTheNeighboursThatAreThere) {
  const std::uint64_t first = MapFile(false);
  ASSERT_EQ(Store(*space, first + kPageSize, 42), Status::kOk);
  (void)Load(*space, first);
  const std::uint64_t other = MapFile(false, kProtectRead);
  std::uint64_t expected = 0;
  for (std::uint64_t page = other; page < other + 6 * kPageSize; page += kPageSize) {
    expected += AlignDown(page, 16 * kPageSize) == AlignDown(other, 16 * kPageSize) ? 1 : 0;
  }
  const std::uint64_t before = space->Use().resident;
  EXPECT_EQ(Load(*space, other).value(), InFile(0));
  EXPECT_EQ(space->Use().resident, before + expected * kPageSize);
  EXPECT_EQ(Load(*space, first + kPageSize).value(), 42u);
  EXPECT_EQ(Load(*space, other + kPageSize).value(), InFile(kPageSize));
  EXPECT_EQ(file.fcm->Resize(kPageSize, Waiting::kYes), Status::kOk);
  EXPECT_EQ(Load(*space, other + kPageSize).status(), Status::kOutOfRange);
}

TEST_P(FileTest, BeyondTheEndFails) {
  const std::uint64_t at = MapFile(true);
  EXPECT_EQ(Load(*space, at + 5 * kPageSize + 104).value(), 0u);
  EXPECT_EQ(Load(*space, at + 6 * kPageSize).status(), Status::kOutOfRange);
  EXPECT_EQ(file.fcm->Resize(kPageSize + 8, Waiting::kYes), Status::kOk);
  EXPECT_EQ(Load(*space, at + 2 * kPageSize).status(), Status::kOutOfRange);
  EXPECT_EQ(Load(*space, at + kPageSize + 8).value(), 0u);
  EXPECT_EQ(file.fcm->Resize(8 * kPageSize, Waiting::kYes), Status::kOk);
  file.bytes.resize(kPageSize + 8);
  EXPECT_EQ(Load(*space, at + 2 * kPageSize).value(), 0u);
}

TEST_P(FileTest, ReadsAheadAndAnswersWhenItWouldWait) {
  std::vector<unsigned char> data(6 * kPageSize);
  const Result<std::uint64_t> now =
      file.fcm->Read(0, BufferOut::Kernel(data.data(), data.size()), Waiting::kNo);
  EXPECT_EQ(now.status(), Status::kWouldBlock);
  EXPECT_EQ(file.fcm->Read(0, BufferOut::Kernel(data.data(), data.size()), Waiting::kYes).value(),
            file.bytes.size());
  data.resize(file.bytes.size());
  EXPECT_EQ(data, file.bytes);
  EXPECT_EQ(file.fills, 1);  // six pages in one request
  EXPECT_TRUE(file.fcm->Read(0, BufferOut::Kernel(data.data(), 9), Waiting::kNo).ok());
}

TEST_P(FileTest, ErrorsReachTheWaiterAndAreNotKept) {
  const std::uint64_t at = MapFile(true);
  file.fail = Status::kIoError;
  EXPECT_EQ(Load(*space, at).status(), Status::kIoError);
  file.fail = Status::kOk;
  EXPECT_EQ(Load(*space, at).value(), InFile(0));
  ASSERT_EQ(Store(*space, at, 1), Status::kOk);
  file.fail = Status::kIoError;
  EXPECT_EQ(file.fcm->Sync(), Status::kIoError);
  file.fail = Status::kOk;
  EXPECT_EQ(file.fcm->Sync(), Status::kOk);
  EXPECT_EQ(InFile(0), 1u);
}

TEST_P(FileTest, ShortTransfersAreGoneOnWith) {
  const std::vector<unsigned char> before = file.bytes;
  file.most = 3000;
  std::vector<unsigned char> data(file.bytes.size());
  ASSERT_EQ(file.fcm->Read(0, BufferOut::Kernel(data.data(), data.size()), Waiting::kYes).value(),
            data.size());
  EXPECT_EQ(data, before);
  EXPECT_EQ(file.fills, 7);  // nobody asks beyond the end
  std::iota(data.begin(), data.end(), static_cast<unsigned char>(1));
  ASSERT_TRUE(file.fcm->Write(0, BufferIn::Kernel(data.data(), data.size()), Waiting::kYes).ok());
  EXPECT_EQ(file.fcm->Sync(), Status::kOk);
  EXPECT_EQ(file.bytes, data);
}

TEST_P(FileTest, AWriteOfNothingIsAnError) {
  const std::uint64_t value = 0x1234;
  ASSERT_TRUE(file.fcm->Write(8, BufferIn::Kernel(&value, 8), Waiting::kYes).ok());
  file.most = 0;
  EXPECT_EQ(file.fcm->Sync(), Status::kIoError);
  file.most = 100;
  EXPECT_EQ(file.fcm->Sync(), Status::kOk);
  EXPECT_EQ(InFile(8), value);
}

TEST_P(FileTest, WholePagesAreWrittenWithoutBeingRead) {
  std::vector<unsigned char> data(2 * kPageSize, 7);
  EXPECT_EQ(
      file.fcm->Write(kPageSize, BufferIn::Kernel(data.data(), data.size()), Waiting::kNo).value(),
      data.size());
  EXPECT_EQ(file.fills, 0);
  EXPECT_EQ(
      file.fcm->Write(100 * kPageSize + 5, BufferIn::Kernel(data.data(), 3), Waiting::kNo).value(),
      3u);
  EXPECT_EQ(file.fcm->size(), 100 * kPageSize + 8);
  EXPECT_EQ(file.fcm->Sync(), Status::kOk);
  EXPECT_EQ(file.bytes.size(), 100 * kPageSize + 8);
  EXPECT_EQ(file.bytes[2 * kPageSize], 7);
  EXPECT_EQ(file.bytes[100 * kPageSize + 7], 7);
}

TEST_P(FileTest, CleanPagesAreReclaimedMappedOrNot) {
  const std::uint64_t at = MapFile(true, kProtectRead);
  const std::uint64_t view = MapFile(false);
  ASSERT_TRUE(Load(*space, at).ok());
  ASSERT_TRUE(Load(*space, view + kPageSize).ok());
  ASSERT_EQ(Store(*space, view + 2 * kPageSize, 21), Status::kOk);
  EXPECT_EQ(file.fcm->resident_pages(), 6u);
  EXPECT_EQ(test.services.page_manager.Reclaim(64), 6u);
  EXPECT_EQ(file.fcm->resident_pages(), 0u);
  EXPECT_EQ(Load(*space, at).value(), InFile(0));
  EXPECT_EQ(Load(*space, view + kPageSize).value(), InFile(kPageSize));
  EXPECT_EQ(Load(*space, view + 2 * kPageSize).value(), 21u);
}

TEST_P(FileTest, WhatIsDirtyIsWrittenWhenTheLastUserGoes) {
  TestFile* other = new TestFile(test.services, kPageSize, GetParam());
  const std::uint64_t value = 31;
  ASSERT_TRUE(other->fcm->Write(0, BufferIn::Kernel(&value, 8), Waiting::kYes).ok());
  other->fcm->DropReference();
  while (!other->gone) {
    machine::Thread::Yield();
  }
  std::uint64_t found = 0;
  std::memcpy(&found, other->bytes.data(), 8);
  EXPECT_EQ(found, value);
  delete other;
}

// Far more pages than are looked at under one lock: what is looked for lies at the end.
TEST_P(FileTest, SearchesGoOnBeyondOneLook) {
  constexpr std::uint64_t kPages = 1500;
  std::vector<unsigned char> data(kPages * kPageSize, 3);
  ASSERT_TRUE(file.fcm->Write(0, BufferIn::Kernel(data.data(), data.size()), Waiting::kYes).ok());
  ASSERT_EQ(file.fcm->Sync(), Status::kOk);
  const int writes = file.writes;
  const std::uint64_t value = 42;
  const std::uint64_t last = (kPages - 1) * kPageSize;
  ASSERT_TRUE(file.fcm->Write(last, BufferIn::Kernel(&value, 8), Waiting::kYes).ok());
  ASSERT_EQ(file.fcm->Sync(), Status::kOk);
  EXPECT_EQ(file.writes, writes + 1);
  EXPECT_EQ(InFile(last), value);
  EXPECT_TRUE(file.fcm->Read(0, BufferOut::Kernel(data.data(), data.size()), Waiting::kNo).ok());
  // All were used: the first round takes the second chances away.
  EXPECT_EQ(test.services.page_manager.Reclaim(64), 64u);
  file.fcm->DropClean();
  EXPECT_EQ(file.fcm->resident_pages(), 0u);
}

// Clean pages go whether they were used or not, and wherever reclaiming has got to.
TEST_P(FileTest, DroppingCleanPagesLeavesNone) {
  constexpr std::uint64_t kPages = 64;
  file.bytes.assign(kPages * kPageSize, 3);
  ASSERT_EQ(file.fcm->Resize(file.bytes.size(), Waiting::kYes), Status::kOk);
  std::vector<unsigned char> data(file.bytes.size());
  const auto read = [&] {
    return file.fcm->Read(0, BufferOut::Kernel(data.data(), data.size()), Waiting::kYes).value();
  };
  ASSERT_EQ(read(), data.size());
  EXPECT_EQ(test.services.page_manager.Reclaim(kPages), kPages);  // the hand is behind all of them
  ASSERT_EQ(read(), data.size());
  const std::uint64_t at = MapFile(true);
  EXPECT_EQ(Load(*space, at).value(), InFile(0));
  const std::uint64_t value = 77;
  ASSERT_TRUE(file.fcm->Write(9 * kPageSize, BufferIn::Kernel(&value, 8), Waiting::kYes).ok());
  file.bytes.assign(file.bytes.size(), 4);
  file.fcm->DropClean();
  EXPECT_EQ(file.fcm->resident_pages(), 1u);
  EXPECT_EQ(Load(*space, at).value(), InFile(0));
  ASSERT_EQ(read(), data.size());
  std::memcpy(&file.bytes[9 * kPageSize], &value, 8);
  std::fill_n(&file.bytes[9 * kPageSize + 8], kPageSize - 8, 3);  // dirty: stays as it was
  EXPECT_EQ(data, file.bytes);
}

// Bytes appended while another CPU writes back: a page that was written back as far as the file
// reached then is not clean.
TEST(FileGrowth, WhatAFileGrowsByIsWrittenBack) {
  TestServices test;
  TestFile file(test.services, 0, false);
  constexpr int kWrites = 20000;
  std::atomic<bool> over{false};
  machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
    if (cpu == 0) {
      for (int i = 0; i < kWrites; ++i) {
        const std::uint64_t value = 0x0101010101010101u * static_cast<unsigned>(i % 255 + 1);
        ASSERT_TRUE(
            file.fcm
                ->Write(8u * static_cast<unsigned>(i), BufferIn::Kernel(&value, 8), Waiting::kYes)
                .ok());
      }
      over = true;
    } else if (cpu == 1) {
      while (!over) {
        ASSERT_EQ(file.fcm->Sync(), Status::kOk);
      }
    }
  });
  ASSERT_EQ(file.fcm->Sync(), Status::kOk);
  ASSERT_EQ(file.bytes.size(), 8u * kWrites);
  for (int i = 0; i < 8 * kWrites; ++i) {
    ASSERT_EQ(file.bytes[static_cast<std::size_t>(i)], i / 8 % 255 + 1) << i;
  }
  file.fcm->DropReference();
}

INSTANTIATE_TEST_SUITE_P(Completion, FileTest, testing::Bool(),
                         [](const auto& kind) { return kind.param ? "Later" : "AtOnce"; });

TEST(MemoryFile, NoFileIsSoLargeThatSumsWrapRound) {
  TestServices test;
  FcmFile* file = FcmFile::Create(test.services, nullptr, kPageSize).value();
  for (const std::uint64_t size :
       {FcmFile::kMaxFileSize + 1, ~std::uint64_t{0} - 1, ~std::uint64_t{0}})
    EXPECT_EQ(file->Resize(size, Waiting::kYes), Status::kNoSpace);
  EXPECT_EQ(file->size(), kPageSize);
  EXPECT_EQ(file->Resize(FcmFile::kMaxFileSize, Waiting::kYes), Status::kOk);
  EXPECT_EQ(file->PunchHole(1, ~std::uint64_t{0}, Waiting::kYes), Status::kOk);
  file->DropReference();
}

// A region may be far larger than its file, and pages far apart: only what is there is looked at,
// or this would take days.
TEST(MemoryFile, ShrinkingLooksAtThePagesThatAreThereOnly) {
  TestServices test;
  AddressSpace* space = AddressSpace::Create(test.services).value();
  FcmFile* file = FcmFile::Create(test.services, nullptr, 0).value();
  constexpr std::uint64_t kFar = 1ull << 45;
  constexpr std::uint64_t kNear = 3 * kPageSize;
  for (const bool shared : {false, true}) {
    const std::uint64_t value = 7;
    for (const std::uint64_t at : {std::uint64_t{0}, kNear, kNear + kPageSize, kFar}) {
      ASSERT_TRUE(file->Write(at, BufferIn::Kernel(&value, 8), Waiting::kNo).ok());
    }
    const std::uint64_t at = space
                                 ->Map({.size = 1ull << 46,
                                        .protection = kReadWrite,
                                        .shared = shared,
                                        .no_reserve = true,
                                        .source = file})
                                 .value();
    EXPECT_EQ(Load(*space, at).value(), 7u);
    EXPECT_EQ(Load(*space, at + kNear).value(), 7u);
    EXPECT_EQ(Load(*space, at + kNear + kPageSize).value(), 7u);
    EXPECT_EQ(Load(*space, at + kFar).value(), 7u);
    EXPECT_EQ(file->Resize(kPageSize, Waiting::kYes), Status::kOk);
    EXPECT_EQ(file->resident_pages(), 1u);
    EXPECT_EQ(Load(*space, at).value(), 7u);
    EXPECT_EQ(Load(*space, at + kNear).status(), Status::kOutOfRange);
    EXPECT_EQ(Load(*space, at + kNear + kPageSize).status(), Status::kOutOfRange);
    EXPECT_EQ(Load(*space, at + kFar).status(), Status::kOutOfRange);
    EXPECT_EQ(file->Resize(0, Waiting::kYes), Status::kOk);
    EXPECT_EQ(Load(*space, at).status(), Status::kOutOfRange);
    ASSERT_EQ(space->Unmap(at, 1ull << 46), Status::kOk);
  }
  space->Destroy();
  file->DropReference();
}

// Frames of a truncated file are of use to others before the end of a long truncation.
TEST(MemoryFile, ShrinkingGivesFramesBackOnTheWay) {
  static constexpr std::uint64_t kPages = 2000;
  struct {
    TestServices test;
    FcmFile* file = nullptr;
    std::uint64_t most = 0;
    bool over = false;
  } world;
  world.file = FcmFile::Create(world.test.services, nullptr, 0).value();
  const std::vector<unsigned char> data(kPages * kPageSize, 1);
  ASSERT_TRUE(world.file->Write(0, BufferIn::Kernel(data.data(), data.size()), Waiting::kNo).ok());
  // On the same CPU: it runs at the preemption points of the truncation.
  ASSERT_TRUE(machine::Thread::Create(
                  "watcher",
                  [](void* argument) {
                    auto& watched = *static_cast<decltype(world)*>(argument);
                    while (watched.file->resident_pages() != 0) {
                      const std::uint64_t held = watched.test.frames.all -
                                                 watched.test.frames.allocator->free_frames() -
                                                 watched.file->resident_pages();
                      watched.most = held > watched.most ? held : watched.most;
                      machine::Thread::Yield();
                    }
                    watched.over = true;
                    machine::Thread::Exit();
                  },
                  &world, 0)
                  .ok());
  EXPECT_EQ(world.file->Resize(0, Waiting::kYes), Status::kOk);
  while (!world.over) {
    machine::Thread::Yield();
  }
  EXPECT_GT(world.most, 0u) << "nothing was seen";
  EXPECT_LE(world.most, 300u);
  world.file->DropReference();
}

TEST(MemoryFile, HolesReadAsZeroAndPunchingMakesThem) {
  TestServices test;
  FcmFile* file = FcmFile::Create(test.services, nullptr, 0).value();
  std::vector<unsigned char> data(3 * kPageSize + 50, 9), back(data.size());
  EXPECT_EQ(
      file->Write(kPageSize - 25, BufferIn::Kernel(data.data(), data.size()), Waiting::kNo).value(),
      data.size());
  EXPECT_EQ(file->resident_pages(), 5u);
  EXPECT_EQ(file->PunchHole(kPageSize - 5, 2 * kPageSize, Waiting::kNo), Status::kOk);
  EXPECT_EQ(file->resident_pages(), 4u);
  EXPECT_EQ(
      file->Read(kPageSize - 25, BufferOut::Kernel(back.data(), back.size()), Waiting::kNo).value(),
      back.size());
  for (std::size_t i = 0; i < back.size(); ++i) {
    ASSERT_EQ(back[i], i >= 20 && i < 20 + 2 * kPageSize ? 0 : 9) << i;
  }
  file->DropReference();
}

// What every process shows: nobody counts them, and it loses no page.
TEST(PermanentFile, OutlivesItsMappingsAndIsNeverCut) {
  static TestServices* const test = new TestServices;  // for ever, as the file
  static FcmFile* const file = FcmFile::Create(test->services, nullptr, 4 * kPageSize).value();
  const std::uint64_t value = 42;
  EXPECT_TRUE(file->Write(16, BufferIn::Kernel(&value, 8), Waiting::kYes).ok());
  file->MakePermanent();
  EXPECT_FALSE(file->HasOneReference());
  for (int i = 0; i < 3; ++i) {
    AddressSpace* space = AddressSpace::Create(test->services).value();
    const std::uint64_t at =
        space->Map({.size = 4 * kPageSize, .protection = kReadWrite, .source = file}).value();
    EXPECT_EQ(Load(*space, at + 16).value(), value);
    AddressSpace* child = space->ForkCopy().value();
    EXPECT_EQ(Store(*child, at + 16, 1), Status::kOk);
    EXPECT_EQ(file->Resize(0, Waiting::kYes), Status::kNotSupported);
    EXPECT_EQ(file->PunchHole(0, kPageSize, Waiting::kYes), Status::kNotSupported);
    EXPECT_EQ(Load(*child, at + 16).value(), 1u);
    EXPECT_EQ(Load(*space, at + 16).value(), value);
    Hat::LeaveThisCpu(test->services.loaded_hats);
    space->Destroy();
    child->Destroy();
  }
  std::uint64_t back = 0;
  EXPECT_EQ(file->Read(16, BufferOut::Kernel(&back, 8), Waiting::kYes).value(), 8u);
  EXPECT_EQ(back, value);
}

}  // namespace
}  // namespace k42::mem
