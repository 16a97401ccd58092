// Leases: a file that a process holds in a slot, against a plain string; and processes that write
// nonsense into their slots.
#include "fs/file_leases.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>

#include "fs/memory_file.h"
#include "fs/memory_fs.h"
#include "support/node_fixture.h"
#include "unit/fs/heap_file_data.h"
#include "unit/mem/test_space.h"

namespace k42::fs {
namespace {

using abi::FileSlot;

class FileLeasesTest : public test::ObjectFixture {
 protected:
  FileLeasesTest() {
    files_ = MemoryFileSystem::Make(source_, 1, 0755).value();
    file_ = RefPtr<Node>::Adopt(files_->MakeNode({FileKind::kRegular, 0600, 0, 0, {}}).value());
    slots_ = RefPtr<SlotMemory>::Adopt(SlotMemory::Make(memory_.services).value());
  }
  ~FileLeasesTest() override {
    for (FileLease& lease : leases_) {
      file_->CloseLease(lease);
    }
    file_ = nullptr;
    slots_ = nullptr;
    files_->Clear();
    mem::Delete(files_);
  }

  bool Grant(std::uint32_t which, std::uint32_t flags, std::uint64_t position = 0) {
    EndAndPickUp(which);
    return IsOk(file_->GrantLease(leases_[which], {*slots_, which, flags, 1, position}));
  }
  std::uint64_t EndAndPickUp(std::uint32_t which) {
    file_->EndLease(leases_[which]);
    return file_->TakeLeasePosition(leases_[which], ~std::uint64_t{0});
  }
  bool Holds(std::uint32_t which) {
    return (slots_->slot(which).word.load() & FileSlot::kHeld) != 0;
  }

  // As the process does it; false: it does not hold the file for that.
  bool ProcessWrites(std::uint32_t which, std::uint64_t at, const std::string& text) {
    FileSlot& slot = slots_->slot(which);
    std::uint64_t word = slot.word.load();
    if ((word & FileSlot::kHeld) == 0 || (word & FileSlot::kWritable) == 0) {
      return false;
    }
    const std::uint64_t size = FileSlot::Size(word);
    for (std::uint64_t gap = size; gap < at; ++gap) {
      *Byte(which, gap) = 0;
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
      *Byte(which, at + i) = static_cast<unsigned char>(text[i]);
    }
    const std::uint64_t changed = slot.changed.load();
    std::uint64_t first = std::min(at, size), last = at + text.size();
    if (changed != 0) {
      first = std::min(first, changed & 0xffff'ffff);
      last = std::max(last, changed >> 32);
    }
    slot.changed.store(last << 32 | first);
    std::uint64_t next = word | FileSlot::kChanged | FileSlot::kModified;
    next = FileSlot::WithSize(next, std::max(size, at + text.size()));
    return slot.word.compare_exchange_strong(word, FileSlot::WithPosition(next, at + text.size()));
  }
  std::optional<std::string> ProcessReads(std::uint32_t which) {
    const std::uint64_t word = slots_->slot(which).word.load();
    if ((word & FileSlot::kHeld) == 0 || (word & FileSlot::kLoaded) == 0) {
      return std::nullopt;
    }
    std::string text;
    for (std::uint64_t i = 0; i < FileSlot::Size(word); ++i) {
      text.push_back(static_cast<char>(*Byte(which, i)));
    }
    return text;
  }
  std::string KernelReads() {
    std::string text(64 * 1024, 'x');
    text.resize(file_->Read(0, BufferOut::Kernel(text.data(), text.size())).value());
    return text;
  }
  void KernelWrites(std::uint64_t at, const std::string& text) {
    std::uint64_t end = 0;
    EXPECT_TRUE(file_->Write(at, BufferIn::Kernel(text.data(), text.size()), false, &end).ok());
  }
  unsigned char* Byte(std::uint32_t which, std::uint64_t at) {
    return slots_->Room(which, static_cast<std::uint32_t>(at / mem::kPageSize)).value() +
           at % mem::kPageSize;
  }

  mem::TestServices memory_;
  test::HeapFileDataSource source_;
  MemoryFileSystem* files_;
  RefPtr<Node> file_;
  RefPtr<SlotMemory> slots_;
  FileLease leases_[3];
};

constexpr std::uint32_t kRead = kOpenRead, kBoth = kOpenRead | kOpenWrite;

TEST_F(FileLeasesTest, WhatAWriterHasWrittenIsInTheFileWhenSomebodyReads) {
  ASSERT_TRUE(Grant(0, kBoth));
  ASSERT_TRUE(ProcessWrites(0, 0, "hello"));
  EXPECT_EQ(KernelReads(), "hello");
  EXPECT_FALSE(Holds(0));
  EXPECT_FALSE(ProcessWrites(0, 5, "late"));
  EXPECT_EQ(EndAndPickUp(0), 5u);
}

TEST_F(FileLeasesTest, SizeAndTimesAreSeenWithoutTakingTheFileBack) {
  ASSERT_TRUE(Grant(0, kBoth));
  ASSERT_TRUE(ProcessWrites(0, 0, "hello"));
  FileAttributes attributes;
  ASSERT_EQ(file_->GetAttributes(&attributes), Status::kOk);
  EXPECT_EQ(attributes.size, 5u);
  EXPECT_EQ(slots_->slot(0).word.load() & FileSlot::kModified, 0u);
  EXPECT_TRUE(Holds(0));
}

TEST_F(FileLeasesTest, ReadersShareAndAWriterIsAlone) {
  KernelWrites(0, "text");
  ASSERT_TRUE(Grant(0, kRead));
  ASSERT_TRUE(Grant(1, kRead));
  EXPECT_TRUE(Holds(0) && Holds(1));
  ASSERT_TRUE(Grant(2, kBoth));
  EXPECT_FALSE(Holds(0) || Holds(1));
  ASSERT_TRUE(Grant(0, kRead));
  EXPECT_FALSE(Holds(2));
  KernelWrites(4, "!");
  EXPECT_FALSE(Holds(0));
}

TEST_F(FileLeasesTest, ASlotServesOneFileAndLargeFilesAreTheKernels) {
  auto other = RefPtr<Node>::Adopt(files_->MakeNode({FileKind::kRegular, 0600, 0, 0, {}}).value());
  FileLease lease;
  ASSERT_TRUE(Grant(0, kBoth));
  EXPECT_EQ(other->GrantLease(lease, {*slots_, 0, kBoth, 1, 0}), Status::kNotSupported);
  KernelWrites(abi::FileSlots::kRoom, "x");
  EXPECT_FALSE(Grant(0, kRead));
  EXPECT_EQ(other->GrantLease(lease, {*slots_, abi::FileSlots::kSlots, kBoth, 1, 0}),
            Status::kNotSupported);
  other->CloseLease(lease);
  EXPECT_EQ(other->GrantLease(lease, {*slots_, 1, kBoth, 1, 0}), Status::kNotSupported);
}

TEST_F(FileLeasesTest, FilesThatLendTheirOwnersRightsAreWrittenByTheKernel) {
  AttributeChange change{};
  change.mask = kSetMode;
  change.mode = kModeSetUser | 0755;
  ASSERT_TRUE(Grant(0, kBoth));
  ASSERT_EQ(file_->SetAttributes(change), Status::kOk);
  EXPECT_FALSE(Holds(0));
  EXPECT_FALSE(Grant(0, kBoth));
  EXPECT_TRUE(Grant(0, kRead));
}

TEST_F(FileLeasesTest, TheProcessIsToldHowTheOpeningAppends) {
  ASSERT_TRUE(Grant(0, kBoth));
  EXPECT_EQ(slots_->slot(0).word.load() & FileSlot::kAppends, 0u);
  ASSERT_TRUE(Grant(0, kBoth | kOpenAppend));
  EXPECT_NE(slots_->slot(0).word.load() & FileSlot::kAppends, 0u);
}

TEST_F(FileLeasesTest, WhatAProcessHasWrittenIsKeptWhenItsOpeningEnds) {
  ASSERT_TRUE(Grant(0, kBoth));
  ASSERT_TRUE(ProcessWrites(0, 0, "kept"));
  file_->CloseLease(leases_[0]);
  EXPECT_EQ(KernelReads(), "kept");
}

TEST_F(FileLeasesTest, TheProcessAndTheKernelSeeOneFile) {
  std::mt19937 random(42);
  std::string model;
  for (int step = 0; step < 20'000; ++step) {
    const std::uint32_t which = random() % 3;
    const std::uint64_t at = random() % 9000;
    const std::string text(1 + random() % 300, static_cast<char>('a' + random() % 26));
    const auto put = [&] {
      model.resize(std::max(model.size(), at + text.size()), 0);
      model.replace(at, text.size(), text);
    };
    switch (random() % 8) {
      case 0:
        (void)Grant(which, random() % 2 != 0 ? kBoth : kRead);
        break;
      case 1:
        KernelWrites(at, text);
        put();
        break;
      case 2:
        ASSERT_EQ(KernelReads(), model) << step;
        break;
      case 3: {
        AttributeChange change{};
        change.mask = kSetSize;
        change.size = at;
        ASSERT_EQ(file_->SetAttributes(change), Status::kOk);
        model.resize(at, 0);
        break;
      }
      default:
        if (ProcessWrites(which, at, text)) {
          put();
        }
        if (const auto seen = ProcessReads(which)) {
          ASSERT_EQ(*seen, model) << step;
        }
        FileAttributes attributes;
        ASSERT_EQ(file_->GetAttributes(&attributes), Status::kOk);
        ASSERT_EQ(attributes.size, model.size()) << step;
    }
  }
}

// A write over bytes that are changed already, stopped after each of its steps (as in
// user/linux/file_slots.cc) and going on after another has written there, too: it was made before
// that, or is not made, and the process knows.
TEST_F(FileLeasesTest, AWriteAmongChangedBytesIsMadeOnce) {
  const std::string first = "first first ", second = "SECOND";
  for (int stop = 0; stop <= 6; ++stop) {
    ASSERT_TRUE(Grant(0, kBoth));
    ASSERT_TRUE(ProcessWrites(0, 0, first));
    FileSlot& slot = slots_->slot(0);
    std::uint64_t word = slot.word.load();
    bool written = false;
    for (int step = 0; step < 6; ++step) {
      if (step == stop) {
        EXPECT_EQ(KernelReads(), written ? "SECOND" + first.substr(6) : first) << stop;
        KernelWrites(0, "other");
      }
      if (step == 0) {
        for (std::size_t i = 0; i < second.size(); ++i) {
          *Byte(0, abi::FileSlots::kRoom + i) = static_cast<unsigned char>(second[i]);
        }
      } else if (step == 1) {
        slot.pending.store(second.size() << 32);
      } else if (step == 2) {
        written = slot.word.compare_exchange_strong(word, word | FileSlot::kPending);
        EXPECT_EQ(written, stop > 2);
      } else if (step == 3 || step == 4) {
        *Byte(0, static_cast<std::uint64_t>(step)) = static_cast<unsigned char>(second[0]);
        slot.changed.store(first.size() << 32);
      } else {
        slot.word.fetch_and(~FileSlot::kPending);
      }
    }
    const std::string now = KernelReads();
    if (stop < 6) {
      EXPECT_EQ(now, "other" + (written ? "D" + first.substr(6) : first.substr(5))) << stop;
    }
    AttributeChange change{};
    change.mask = kSetSize;
    ASSERT_EQ(file_->SetAttributes(change), Status::kOk);
  }
}

TEST_F(FileLeasesTest, NonsenseInASlotHarmsNobody) {
  std::mt19937_64 random(43);
  const std::string text(5000, 't');
  KernelWrites(0, text);
  for (int step = 0; step < 3000; ++step) {
    const bool writer = step % 2 != 0;
    (void)Grant(0, writer ? kBoth : kRead);
    FileSlot& slot = slots_->slot(0);
    for (int i = 0; i < 3; ++i) {
      slot.word.store(random() >> random() % 64);
      slot.changed.store(random() >> random() % 64);
      slot.pending.store(random() >> random() % 64);
      slot.modified_ns.store(static_cast<std::int64_t>(random()));
      FileAttributes before, after;
      ASSERT_EQ(file_->GetAttributes(&before), Status::kOk);
      ASSERT_EQ(file_->GetAttributes(&after), Status::kOk);
      ASSERT_GE(after.modify_ns, before.modify_ns);
      ASSERT_LE(after.size, std::max<std::uint64_t>(text.size(), abi::FileSlots::kRoom));
    }
    const std::string now = KernelReads();
    ASSERT_LE(now.size(), abi::FileSlots::kRoom);
    EndAndPickUp(0);
    if (!writer) {
      ASSERT_EQ(KernelReads(), text) << "a reader changed it";
    } else {
      AttributeChange change{};
      change.mask = kSetSize;
      ASSERT_EQ(file_->SetAttributes(change), Status::kOk);
      KernelWrites(0, text);
    }
  }
}

}  // namespace
}  // namespace k42::fs
