#include "fs/file_leases.h"

#include <algorithm>

#include "fs/file_watch.h"

namespace k42::fs {

using abi::FileSlot;
using machine::MutexGuard;

Status FileLeases::Grant(FileLease& lease, const LeaseRequest& request) {
  const MutexGuard guard(lock_);
  // Who is told of changes must be told: watches are counted before all leases are taken back,
  // which takes this lock.
  if (AnyWatches() || lease.state_.load(std::memory_order_relaxed) != State::kShared ||
      !IsWorthWhileLocked(request) || !request.memory.Take(request.slot)) {
    return Status::kNotSupported;
  }
  lease.writer_ = (request.flags & kOpenWrite) != 0;
  lease.writer_ ? EndAllLocked() : EndWriterLocked();
  lease.slot_ = request.slot;
  lease.memory_ = RefPtr<SlotMemory>(&request.memory);
  any_.store(true, std::memory_order_seq_cst);
  const Status served = ServeLocked(lease, request);
  if (!IsOk(served)) {
    lease.memory_ = nullptr;
    request.memory.GiveBack(request.slot);
    any_.store(!held_.empty(), std::memory_order_relaxed);
    return served;
  }
  held_.PushBack(&lease);
  has_writer_.store(lease.writer_, std::memory_order_release);
  lease.state_.store(State::kHeld, std::memory_order_release);
  return Status::kOk;
}

// Changes see the lease now, and those before are seen here: nothing that is looked at changes any
// more. Writing takes the bits away that let a program act for its file's owner: such files are
// written through the kernel.
Status FileLeases::ServeLocked(FileLease& lease, const LeaseRequest& request) {
  const bool for_others = (node_.ownership().mode & (kModeSetUser | kModeSetGroup)) != 0;
  if (changes_.load(std::memory_order_seq_cst) != 0 || data_.Size() > abi::FileSlots::kRoom ||
      request.position > FileSlot::kField || data_.IsMemoryOfOthers() ||
      (lease.writer_ && for_others)) {
    return Status::kNotSupported;
  }
  if (!lease.writer_) {
    return FillLocked(lease, request);
  }
  // Last: it may cost others their pages.
  TRY(data_.Promise(abi::FileSlots::kRoom));
  const Status filled = FillLocked(lease, request);
  if (!IsOk(filled)) {
    data_.EndPromise(abi::FileSlots::kRoom);
  }
  return filled;
}

// To fill a slot costs as much as one read of the kernel's, but for the smallest files. A file
// whose last holder read it once at most is passed over, and now and then tried again.
bool FileLeases::IsWorthWhileLocked(const LeaseRequest& request) {
  constexpr std::uint64_t kSmallest = 1024;
  constexpr std::uint8_t kPassedOver = 16;
  if ((request.flags & kOpenWrite) != 0 || request.transfers != 0 || !read_once_ ||
      data_.Size() <= kSmallest) {
    return true;
  }
  passed_over_ = static_cast<std::uint8_t>((passed_over_ + 1) % kPassedOver);
  return passed_over_ == 0;
}

// The bytes, where the opening may read them, and the word last.
Status FileLeases::FillLocked(FileLease& lease, const LeaseRequest& request) {
  const std::uint64_t size = data_.Size();
  std::uint64_t word = FileSlot::kHeld | (lease.writer_ ? FileSlot::kWritable : 0) |
                       ((request.flags & kOpenAppend) != 0 ? FileSlot::kAppends : 0);
  if ((request.flags & kOpenRead) != 0 || size == 0) {
    word |= FileSlot::kLoaded;
    for (std::uint64_t at = 0; at < size; at += mem::kPageSize) {
      unsigned char* room =
          TRY(lease.memory_->Room(lease.slot_, static_cast<std::uint32_t>(at / mem::kPageSize)));
      TRY(data_.Read(at, BufferOut::Kernel(room, std::min(size - at, mem::kPageSize))));
    }
  }
  FileSlot& slot = lease.memory_->slot(lease.slot_);
  slot.changed.store(0, std::memory_order_relaxed);
  slot.reads.store(0, std::memory_order_relaxed);
  slot.word.store(FileSlot::WithPosition(FileSlot::WithSize(word, size), request.position),
                  std::memory_order_release);
  return Status::kOk;
}

// -- taking back ----------------------------------------------------------------------------------

void FileLeases::EndLocked(FileLease& lease) {
  SlotMemory& memory = *lease.memory_;
  std::uint64_t word = memory.slot(lease.slot_).word.exchange(0, std::memory_order_acq_rel);
  lease.position_ = FileSlot::Position(word);
  if (!lease.writer_) {
    read_once_ = memory.slot(lease.slot_).reads.load(std::memory_order_relaxed) <= 1;
    word &= FileSlot::kAccessed;
  } else {
    if ((word & FileSlot::kChanged) != 0) {
      CopyBack(memory, lease.slot_, std::min(FileSlot::Size(word), abi::FileSlots::kRoom));
    }
    data_.EndPromise(abi::FileSlots::kRoom);
  }
  Note(memory.slot(lease.slot_), word);
  IntrusiveList<FileLease>::Remove(&lease);
  any_.store(!held_.empty(), std::memory_order_relaxed);
  if (lease.writer_) {
    has_writer_.store(false, std::memory_order_release);
  }
  memory.GiveBack(lease.slot_);
  lease.memory_ = nullptr;
  lease.state_.store(State::kEnded, std::memory_order_release);
}

// A writer was told that it had written this: it finds the memory that it was promised. The room of
// bytes that were never put there may find none.
void FileLeases::CopyBack(SlotMemory& memory, std::uint32_t slot, std::uint64_t size) {
  const std::uint64_t changed = memory.slot(slot).changed.load(std::memory_order_acquire);
  const std::uint64_t end = std::min(changed >> 32, size);
  std::uint64_t at = changed & 0xffff'ffff;
  while (at < end) {
    const std::uint64_t offset = at % mem::kPageSize;
    const std::uint64_t count = std::min(end - at, mem::kPageSize - offset);
    const auto room = memory.Room(slot, static_cast<std::uint32_t>(at / mem::kPageSize));
    if (room.ok()) {
      (void)data_.WritePromised(at, BufferIn::Kernel(room.value() + offset, count));
    }
    at += count;
  }
}

void FileLeases::Note(const FileSlot& slot, std::uint64_t word) {
  if ((word & FileSlot::kModified) != 0) {
    node_.TouchModifiedAt(slot.modified_ns.load(std::memory_order_acquire));
  }
  if ((word & FileSlot::kAccessed) != 0) {
    node_.TouchAccessed();
  }
}

void FileLeases::EndAllLocked() {
  while (FileLease* lease = held_.Front()) {
    EndLocked(*lease);
  }
}

void FileLeases::EndWriterLocked() {
  if (has_writer_.load(std::memory_order_relaxed)) {
    EndAllLocked();  // a writer is alone
  }
}

void FileLeases::EndAll() {
  const MutexGuard guard(lock_);
  EndAllLocked();
}

void FileLeases::EndWriter() {
  const MutexGuard guard(lock_);
  EndWriterLocked();
}

void FileLeases::End(FileLease& lease) {
  const MutexGuard guard(lock_);
  if (lease.state_.load(std::memory_order_relaxed) == State::kHeld) {
    EndLocked(lease);
  }
}

void FileLeases::Close(FileLease& lease) {
  const MutexGuard guard(lock_);
  if (lease.state_.load(std::memory_order_relaxed) == State::kHeld) {
    EndLocked(lease);
  }
  lease.state_.store(State::kClosed, std::memory_order_release);
}

std::uint64_t FileLeases::TakePosition(FileLease& lease, std::uint64_t otherwise) {
  const MutexGuard guard(lock_);
  if (lease.state_.load(std::memory_order_relaxed) != State::kEnded) {
    return otherwise;
  }
  lease.state_.store(State::kShared, std::memory_order_release);
  return lease.position_;
}

// -- looking --------------------------------------------------------------------------------------

std::uint64_t FileLeases::Look() {
  constexpr std::uint64_t kNews = FileSlot::kModified | FileSlot::kAccessed;
  std::uint64_t size = 0;
  if (!any_.load(std::memory_order_acquire)) {
    return size;
  }
  const MutexGuard guard(lock_);
  for (FileLease* lease = held_.Front(); lease != nullptr; lease = held_.Next(lease)) {
    FileSlot& slot = lease->memory_->slot(lease->slot_);
    std::uint64_t word = slot.word.load(std::memory_order_acquire);
    if ((word & kNews) != 0) {
      word = slot.word.fetch_and(~kNews, std::memory_order_acq_rel);
      Note(slot, lease->writer_ ? word : word & FileSlot::kAccessed);
    }
    if (lease->writer_) {
      size = std::min(FileSlot::Size(word), abi::FileSlots::kRoom);
    }
  }
  return size;
}

}  // namespace k42::fs
