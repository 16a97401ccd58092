// What a process has written into a slot finds memory in the file, though there is none any more.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "fs/cached_data.h"
#include "fs/file_leases.h"
#include "fs/memory_fs.h"
#include "mem/heap.h"
#include "support/node_fixture.h"
#include "unit/mem/test_space.h"

namespace k42::fs {
namespace {

using abi::FileSlot;
using abi::FileSlots;

constexpr std::uint32_t kBoth = kOpenRead | kOpenWrite;

class FilePromisesTest : public test::ObjectFixture {
 protected:
  FilePromisesTest() {
    files_ = MemoryFileSystem::Make(source_, 1, 0755).value();
    for (RefPtr<Node>& file : file_) {
      file = RefPtr<Node>::Adopt(files_->MakeNode({FileKind::kRegular, 0600, 0, 0, {}}).value());
    }
    slots_ = RefPtr<SlotMemory>::Adopt(SlotMemory::Make(memory_.services).value());
  }
  ~FilePromisesTest() override {
    Free();
    for (std::uint32_t i = 0; i < kFiles; ++i) {
      file_[i]->CloseLease(lease_[i]);
      file_[i] = nullptr;
    }
    EXPECT_EQ(memory_.frames.allocator->promised_frames(), 0u);
    slots_ = nullptr;
    files_->Clear();
    mem::Delete(files_);
  }

  Status Grant(std::uint32_t which, std::uint32_t flags) {
    file_[which]->EndLease(lease_[which]);
    (void)file_[which]->TakeLeasePosition(lease_[which], 0);
    return file_[which]->GrantLease(lease_[which], {*slots_, which, flags, 1, 0});
  }
  // As the process does it: all that the slot holds, from `begin` on.
  void ProcessWrites(std::uint32_t which, const std::string& text, std::uint64_t begin) {
    for (std::uint64_t at = 0; at < text.size(); ++at) {
      slots_->Room(which, static_cast<std::uint32_t>(at / mem::kPageSize))
          .value()[at % mem::kPageSize] = static_cast<unsigned char>(text[at]);
    }
    FileSlot& slot = slots_->slot(which);
    slot.changed.store(text.size() << 32 | begin);
    slot.word.store(FileSlot::WithSize(slot.word.load() | FileSlot::kChanged, text.size()));
  }
  std::string KernelReads(std::uint32_t which) {
    std::string text(64 * 1024, 'x');
    text.resize(file_[which]->Read(0, BufferOut::Kernel(text.data(), text.size())).value());
    return text;
  }
  void TakeAll(mem::FramePurpose purpose) {
    for (;;) {
      const auto frame = memory_.frames.allocator->Allocate(purpose);
      if (!frame.ok()) {
        return;
      }
      taken_.push_back(frame.value());
    }
  }
  void Free() {
    for (mem::Frame* frame : taken_) {
      memory_.frames.allocator->DropReference(frame);
    }
    taken_.clear();
  }

  static constexpr std::uint32_t kFiles = 8;
  mem::TestServices memory_;
  CachedDataSource source_{memory_.services};
  MemoryFileSystem* files_;
  RefPtr<Node> file_[kFiles];
  RefPtr<SlotMemory> slots_;
  FileLease lease_[kFiles];
  std::vector<mem::Frame*> taken_;
};

TEST_F(FilePromisesTest, WhatWasWrittenIsThereThoughMemoryIsGone) {
  std::string text[kFiles];
  for (std::uint32_t i = 0; i < kFiles; ++i) {
    ASSERT_EQ(Grant(i, kBoth), Status::kOk);
    text[i].assign(FileSlots::kRoom - i, static_cast<char>('a' + i));
    ProcessWrites(i, text[i], 0);
  }
  TakeAll(mem::FramePurpose::kUser);
  TakeAll(mem::FramePurpose::kKernel);
  TakeAll(mem::FramePurpose::kProgress);
  for (std::uint32_t i = 0; i < kFiles; ++i) {
    EXPECT_EQ(KernelReads(i), text[i]) << i;
  }
}

TEST_F(FilePromisesTest, AFileThatGrowsInASlotToo) {
  std::string text(5000, 'k');
  std::uint64_t end = 0;
  ASSERT_TRUE(file_[0]->Write(0, BufferIn::Kernel(text.data(), text.size()), false, &end).ok());
  ASSERT_EQ(Grant(0, kBoth), Status::kOk);
  text.append(11'000, 'p');
  ProcessWrites(0, text, 5000);
  TakeAll(mem::FramePurpose::kProgress);
  file_[0]->CloseLease(lease_[0]);
  EXPECT_EQ(KernelReads(0), text);
}

TEST_F(FilePromisesTest, NobodyIsPromisedWhatIsNotThere) {
  std::memset(slots_->Room(0, 0).value(), 0, mem::kPageSize);
  TakeAll(mem::FramePurpose::kUser);
  EXPECT_EQ(Grant(0, kBoth), Status::kNoMemory);
  EXPECT_EQ(slots_->slot(0).word.load(), 0u);
  EXPECT_EQ(Grant(0, kOpenRead), Status::kOk);
  Free();
  EXPECT_EQ(Grant(0, kBoth), Status::kOk);
}

// Clean pages make room for a promise, but only for one that is going to be kept.
TEST_F(FilePromisesTest, CleanPagesAreGivenUpForAPromise) {
  const std::string large(FileSlots::kRoom + 1, 'l');
  std::uint64_t end = 0;
  ASSERT_TRUE(file_[1]->Write(0, BufferIn::Kernel(large.data(), large.size()), false, &end).ok());
  mem::TestFile cached(memory_.services, 4 << 20, false);
  std::string bytes(cached.bytes.size(), 'x');
  ASSERT_TRUE(
      cached.fcm->Read(0, BufferOut::Kernel(bytes.data(), bytes.size()), mem::Waiting::kYes).ok());
  const std::uint64_t resident = cached.fcm->resident_pages();
  std::memset(slots_->Room(0, 0).value(), 0, mem::kPageSize);
  TakeAll(mem::FramePurpose::kUser);
  EXPECT_EQ(Grant(1, kOpenWrite), Status::kNotSupported);
  EXPECT_EQ(cached.fcm->resident_pages(), resident);
  EXPECT_EQ(Grant(0, kBoth), Status::kOk);
  EXPECT_LT(cached.fcm->resident_pages(), resident);
  cached.fcm->DropReference();
}

}  // namespace
}  // namespace k42::fs
