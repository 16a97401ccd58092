// A large file that a process has to itself, shown in a window: against a plain string, with the
// process stopped between any two steps of what it does, and never going on.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "cobj/make.h"
#include "fs/cached_data.h"
#include "fs/file_leases.h"
#include "fs/memory_fs.h"
#include "fs/open_file.h"
#include "mem/heap.h"
#include "support/node_fixture.h"
#include "unit/mem/test_space.h"

namespace k42::fs {
namespace {

using abi::FileSlot;
using abi::FileSlots;
using abi::FileWindows;

constexpr std::uint32_t kRead = kOpenRead, kBoth = kOpenRead | kOpenWrite;

class FileWindowsTest : public test::ObjectFixture {
 protected:
  FileWindowsTest() {
    files_ = MemoryFileSystem::Make(source_, 1, 0755).value();
    file_ = RefPtr<Node>::Adopt(files_->MakeNode({FileKind::kRegular, 0600, 0, 0, {}}).value());
    for (Process& process : processes_) {
      process.slots = RefPtr<SlotMemory>::Adopt(SlotMemory::Make(memory_.services).value());
      process.space = mem::AddressSpace::Create(memory_.services).value();
      process.windows = process.space
                            ->Map({.size = FileWindows::kBytes,
                                   .protection = mem::kProtectRead | mem::kProtectWrite,
                                   .shared = true,
                                   .source = &process.slots->windows()})
                            .value();
    }
  }
  ~FileWindowsTest() override {
    for (Process& process : processes_) {
      file_->CloseLease(process.lease);
      process.space->Destroy();
      process.slots = nullptr;
    }
    file_ = nullptr;
    files_->Clear();
    mem::Delete(files_);
  }

  // Each has one opening, and asks for slot 3.
  static constexpr std::uint32_t kSlot = 3;
  struct Process {
    RefPtr<SlotMemory> slots;
    mem::AddressSpace* space;
    std::uint64_t windows;
    FileLease lease;
  };

  Status Grant(std::uint32_t which, std::uint32_t flags, std::uint64_t limit = ~std::uint64_t{0}) {
    FileLease& lease = processes_[which].lease;
    file_->EndLease(lease);
    (void)file_->TakeLeasePosition(lease, 0);
    return Ask(which, flags, 8, limit);
  }
  Status Ask(std::uint32_t which, std::uint32_t flags, std::uint32_t transfers,
             std::uint64_t limit = ~std::uint64_t{0}) {
    Process& process = processes_[which];
    return file_->GrantLease(process.lease, {*process.slots, kSlot, flags, transfers, 0, limit});
  }
  FileSlot& Slot(std::uint32_t which) { return processes_[which].slots->slot(kSlot); }
  bool Holds(std::uint32_t which) { return (Slot(which).word.load() & FileSlot::kHeld) != 0; }
  bool IsShown(std::uint32_t which) { return (Slot(which).word.load() & FileSlot::kWindowed) != 0; }
  std::uint64_t AddressOf(std::uint32_t which, std::uint64_t at) {
    return processes_[which].windows + Slot(which).window.load() * FileWindows::kWindow + at -
           Slot(which).window_begin.load();
  }
  Status Byte(std::uint32_t which, std::uint64_t at, char* byte, mem::Access access) {
    return mem::Access8(*processes_[which].space, AddressOf(which, at), byte, 1, access);
  }
  std::string KernelReads() {
    std::string text(file_->Size().value(), 'x');
    text.resize(file_->Read(0, BufferOut::Kernel(text.data(), text.size())).value());
    return text;
  }
  void KernelWrites(std::uint64_t at, const std::string& text) {
    std::uint64_t end = 0;
    EXPECT_TRUE(file_->Write(at, BufferIn::Kernel(text.data(), text.size()), false, &end).ok());
  }
  void Cut(std::uint64_t size) {
    AttributeChange change{};
    change.mask = kSetSize;
    change.size = size;
    EXPECT_EQ(file_->SetAttributes(change), Status::kOk);
  }
  void FillStage(std::uint32_t which, const std::string& text) {
    for (std::uint64_t i = 0; i < text.size(); ++i) {
      processes_[which]
          .slots
          ->Room(kSlot, static_cast<std::uint32_t>(FileSlots::kRoomPages + i / mem::kPageSize))
          .value()[i % mem::kPageSize] = static_cast<unsigned char>(text[i]);
    }
  }

  mem::TestServices memory_;
  CachedDataSource source_{memory_.services};
  MemoryFileSystem* files_;
  RefPtr<Node> file_;
  Process processes_[2];
};

TEST_F(FileWindowsTest, OneThatIsUsedOftenIsShown) {
  KernelWrites(0, std::string(50000, 'a'));
  EXPECT_EQ(Ask(0, kBoth, 0), Status::kNotSupported);
  ASSERT_EQ(Grant(0, kBoth), Status::kOk);
  EXPECT_TRUE(IsShown(0));
  char byte = 0;
  EXPECT_EQ(Byte(0, 49999, &byte, mem::Access::kRead), Status::kOk);
  EXPECT_EQ(byte, 'a');
  EXPECT_EQ(KernelReads(), std::string(50000, 'a'));
  EXPECT_FALSE(Holds(0));
  EXPECT_EQ(Byte(0, 49999, &byte, mem::Access::kRead), Status::kOutOfRange);
}

// The opening may more than this handle of it.
TEST_F(FileWindowsTest, AHandleWithFewerRightsGetsNoMemory) {
  for (const std::uint64_t size : {std::uint64_t{100}, std::uint64_t{50000}}) {
    KernelWrites(0, std::string(size, 'a'));
    const auto file =
        cobj::MakeShared<OpenFile>(RefPtr<Entry>(), RefPtr<Node>(file_), kBoth).value();
    EXPECT_EQ(file->HandleAdded(), Status::kOk);
    cobj::CallContext caller = cobj::CallContext::Kernel();
    for (const std::uint32_t rights :
         {std::uint32_t{kRightRead}, std::uint32_t{kRightWrite}, kAllRights & ~kRightWrite}) {
      caller.rights = rights;
      EXPECT_EQ(file->UseSlot(caller, *processes_[0].slots, kSlot, 8), Status::kNotSupported);
      EXPECT_FALSE(Holds(0));
    }
    caller.rights = kRightRead | kRightWrite;
    EXPECT_EQ(file->UseSlot(caller, *processes_[0].slots, kSlot, 8), Status::kOk);
    EXPECT_TRUE(Holds(0));
    (void)file->HandleDropped();
    EXPECT_FALSE(Holds(0));
  }
}

TEST_F(FileWindowsTest, WhoMayOnlyReadOrOnlyWriteGetsNoMore) {
  KernelWrites(0, std::string(50000, 'a'));
  EXPECT_EQ(Grant(0, kOpenWrite), Status::kNotSupported);
  EXPECT_EQ(Grant(0, kBoth | kOpenAppend), Status::kNotSupported);
  EXPECT_EQ(Grant(0, kBoth, 49999), Status::kNotSupported);
  EXPECT_EQ(Grant(0, kBoth, 50000), Status::kOk);
  ASSERT_EQ(Grant(0, kRead), Status::kOk);
  ASSERT_EQ(Grant(1, kRead | kOpenAppend), Status::kOk);
  EXPECT_TRUE(Holds(0) && Holds(1));
  char byte = 'b';
  EXPECT_EQ(Byte(0, 7, &byte, mem::Access::kWrite), Status::kPermissionDenied);
  ASSERT_EQ(Grant(1, kBoth), Status::kOk);
  EXPECT_FALSE(Holds(0));
  EXPECT_EQ(Byte(1, 7, &byte, mem::Access::kWrite), Status::kOk);
}

TEST_F(FileWindowsTest, HolesAreTheKernels) {
  KernelWrites(0, std::string(50000, 'a'));
  KernelWrites(100000, "b");
  EXPECT_EQ(Grant(0, kBoth), Status::kNotSupported);
  Cut(50000);
  EXPECT_EQ(Grant(0, kBoth), Status::kOk);
  ASSERT_EQ(file_->Allocate(AllocateMode::kPunchHole, 8192, 4096), Status::kOk);
  EXPECT_FALSE(Holds(0));
  EXPECT_EQ(Grant(0, kBoth), Status::kNotSupported);
}

TEST_F(FileWindowsTest, AsManyAsThereAreWindows) {
  std::vector<RefPtr<Node>> files;
  std::vector<FileLease> leases(FileWindows::kWindows + 1);
  for (std::uint32_t i = 0; i <= FileWindows::kWindows; ++i) {
    files.push_back(
        RefPtr<Node>::Adopt(files_->MakeNode({FileKind::kRegular, 0600, 0, 0, {}}).value()));
    std::uint64_t end = 0;
    const std::string text(20000, static_cast<char>('a' + i));
    ASSERT_TRUE(files[i]->Write(0, BufferIn::Kernel(text.data(), text.size()), false, &end).ok());
    EXPECT_EQ(files[i]->GrantLease(leases[i], {*processes_[0].slots, i, kBoth, 8, 0}),
              i < FileWindows::kWindows ? Status::kOk : Status::kLimitExceeded);
  }
  for (std::uint32_t i = 0; i <= FileWindows::kWindows; ++i) {
    files[i]->CloseLease(leases[i]);
  }
}

TEST_F(FileWindowsTest, TheWindowGoesWhereItIsWanted) {
  constexpr std::uint64_t kSize = 6u << 20;
  std::string text(kSize, 0);
  for (std::uint64_t i = 0; i < kSize; ++i) {
    text[i] = static_cast<char>(i * 7 + i / 4096);
  }
  KernelWrites(0, text);
  ASSERT_EQ(Grant(0, kBoth), Status::kOk);
  for (const std::uint64_t wanted :
       {std::uint64_t{5} << 20, std::uint64_t{0}, kSize - 1, kSize + 5, ~std::uint64_t{0}}) {
    Slot(0).wanted = wanted;
    ASSERT_EQ(Ask(0, kBoth, 0), Status::kOk);
    const std::uint64_t at = std::min(wanted, kSize - 1);
    char byte = 0;
    EXPECT_EQ(Byte(0, at, &byte, mem::Access::kRead), Status::kOk) << wanted;
    EXPECT_EQ(byte, text[at]);
  }
  EXPECT_EQ(file_->GrantLease(processes_[0].lease, {*processes_[0].slots, 1, kBoth, 0, 0}),
            Status::kNotSupported);
  EXPECT_TRUE(Holds(0));
}

// What the process does, in steps, as the personality does it (user/linux/file_windows.cc).
struct Write {
  std::uint32_t which = 0;
  std::uint64_t at = 0;
  std::string text;
  std::uint64_t word = 0;
  std::uint64_t step = 0;
};

// A write is in the file as soon as the word says so, whole, once, and not before; whatever the
// process stores later changes nothing.
TEST_F(FileWindowsTest, TheProcessMayStopAnywhere) {
  std::mt19937 random(44);
  constexpr std::uint64_t kMost = 60000;
  std::string model(50000, 'm');
  KernelWrites(0, model);
  std::optional<Write> write;
  int committed = 0, interrupted = 0, refused = 0;
  const auto somewhere = [&] { return random() % kMost; };
  for (int step = 0; step < 30'000; ++step) {
    const std::string text(1 + random() % 300, static_cast<char>('a' + random() % 26));
    switch (random() % 40) {
      case 0:
      case 1:
        // A process asks for nothing while it is in the middle of a write.
        if (const std::uint32_t which = random() % 2; !write || write->which != which) {
          (void)Grant(which, random() % 4 != 0 ? kBoth : kRead);
        }
        break;
      case 2: {
        const std::uint64_t at = std::min<std::uint64_t>(somewhere(), model.size());
        KernelWrites(at, text);
        model.resize(std::max(model.size(), at + text.size()), 0);
        model.replace(at, text.size(), text);
        break;
      }
      case 3:
        ASSERT_EQ(KernelReads(), model) << step;
        break;
      case 4: {
        const std::uint64_t size = 20000 + random() % (kMost - 20000);
        Cut(size);
        // Without holes, or it would be the kernel's.
        if (size > model.size()) {
          KernelWrites(model.size(), std::string(size - model.size(), 0));
        }
        model.resize(size, 0);
        break;
      }
      default: {
        if (!write) {
          const std::uint32_t which = random() % 2;
          const std::uint64_t word = Slot(which).word.load();
          constexpr std::uint64_t kNeeded =
              FileSlot::kHeld | FileSlot::kWindowed | FileSlot::kWritable;
          const std::uint64_t at = somewhere();
          if ((word & (kNeeded | FileSlot::kPending)) == kNeeded &&
              at + text.size() <= FileSlot::Size(word)) {
            write = {which, at, text, word, 0};
          }
          break;
        }
        FileSlot& slot = Slot(write->which);
        const std::uint64_t end = write->at + write->text.size();
        if (write->step == 0) {
          FillStage(write->which, write->text);
          slot.pending.store(end << 32 | write->at);
          ++write->step;
        } else if (write->step == 1) {
          if (!slot.word.compare_exchange_strong(
                  write->word, write->word | FileSlot::kPending | FileSlot::kModified)) {
            ++refused;
            write.reset();
            break;
          }
          model.replace(write->at, write->text.size(), write->text);
          ++committed;
          ++write->step;
        } else if (write->step < 2 + write->text.size()) {
          bool hidden = false;
          for (int i = 0; i < 40 && write->step < 2 + write->text.size(); ++i, ++write->step) {
            char byte = write->text[write->step - 2];
            hidden = hidden || !IsOk(Byte(write->which, write->at + write->step - 2, &byte,
                                          mem::Access::kWrite));
          }
          if (hidden) {
            ++interrupted;
            write.reset();
          }
        } else {
          slot.word.fetch_and(~FileSlot::kPending);
          write.reset();
        }
      }
    }
  }
  EXPECT_GT(committed, 500);
  EXPECT_GT(interrupted, 50);
  EXPECT_GT(refused, 5);
}

TEST_F(FileWindowsTest, NonsenseInASlotHarmsNobody) {
  std::mt19937_64 random(45);
  const std::string text(50000, 't');
  KernelWrites(0, text);
  for (int step = 0; step < 1000; ++step) {
    const bool writer = step % 2 != 0;
    ASSERT_EQ(Grant(0, writer ? kBoth : kRead), Status::kOk);
    for (int i = 0; i < 3; ++i) {
      Slot(0).word.store(random() >> random() % 64);
      Slot(0).pending.store(random() >> random() % 64);
      Slot(0).window.store(random());
      Slot(0).window_begin.store(random());
      Slot(0).wanted.store(random() >> random() % 64);
      (void)Ask(0, kBoth, 0);
    }
    const std::string now = KernelReads();
    ASSERT_EQ(now.size(), text.size());
    if (!writer) {
      ASSERT_EQ(now, text) << "a reader changed it";
    }
    KernelWrites(0, text);
    ASSERT_FALSE(Holds(0) && IsShown(0));
  }
}

}  // namespace
}  // namespace k42::fs
