#include "fs/file_leases.h"

#include <algorithm>

#include "base/align.h"
#include "fs/file_watch.h"

namespace k42::fs {

using abi::FileSlot;
using machine::MutexGuard;

Status FileLeases::Grant(FileLease& lease, const LeaseRequest& request) {
  const MutexGuard guard(lock_);
  if (lease.state_.load(std::memory_order_relaxed) == State::kHeld) {
    return MoveLocked(lease, request);
  }
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
  if (changes_.load(std::memory_order_seq_cst) != 0 || request.position > FileSlot::kField ||
      data_.IsMemoryOfOthers() || (lease.writer_ && for_others)) {
    return Status::kNotSupported;
  }
  if (request.memory.kinds().small && data_.Size() <= abi::FileSlots::kRoom) {
    return ServeSmallLocked(lease, request);
  }
  return FitsWindow(request, lease.writer_) ? ShowLocked(lease, request) : Status::kNotSupported;
}

Status FileLeases::ServeSmallLocked(FileLease& lease, const LeaseRequest& request) {
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

// It pays for files that are read or written often. Who may see a window may read; what is written
// through it neither makes the file larger nor wants memory.
bool FileLeases::FitsWindow(const LeaseRequest& request, bool writer) const {
  return request.memory.kinds().exclusive && request.transfers != 0 && data_.Pages() != nullptr &&
         (request.flags & kOpenRead) != 0 && (!writer || (request.flags & kOpenAppend) == 0) &&
         (!writer || data_.Size() <= request.size_limit) && data_.Size() <= FileSlot::kField &&
         data_.Allocated() >= data_.Size();
}

// Where the window begins that is to show `offset`, a bit before, and what follows.
std::uint64_t FileLeases::WindowFor(std::uint64_t offset) const {
  constexpr std::uint64_t kBefore = mem::FcmWindows::kWindow / 8;
  const std::uint64_t size = data_.Size();
  const std::uint64_t at = std::min(offset, size);
  return size <= mem::FcmWindows::kWindow || at < kBefore ? 0
                                                          : AlignDown(at - kBefore, mem::kPageSize);
}

Status FileLeases::ShowLocked(FileLease& lease, const LeaseRequest& request) {
  const std::uint64_t size = data_.Size();
  const std::uint64_t begin = WindowFor(request.position);
  lease.window_ = TRY(lease.memory_->windows().Open(*data_.Pages(), begin, lease.writer_));
  FileSlot& slot = lease.memory_->slot(lease.slot_);
  slot.window.store(lease.window_, std::memory_order_relaxed);
  slot.window_begin.store(begin, std::memory_order_relaxed);
  slot.reads.store(0, std::memory_order_relaxed);
  const std::uint64_t word = FileSlot::kHeld | FileSlot::kWindowed |
                             (lease.writer_ ? FileSlot::kWritable : std::uint64_t{0});
  slot.word.store(FileSlot::WithPosition(FileSlot::WithSize(word, size), request.position),
                  std::memory_order_release);
  return Status::kOk;
}

Status FileLeases::MoveLocked(FileLease& lease, const LeaseRequest& request) {
  if (lease.memory_.get() != &request.memory || lease.slot_ != request.slot ||
      lease.window_ == FileLease::kNoWindow) {
    return Status::kNotSupported;
  }
  FileSlot& slot = request.memory.slot(request.slot);
  const std::uint64_t wanted = slot.wanted.load(std::memory_order_relaxed);
  const std::uint64_t begin = WindowFor(wanted);
  request.memory.windows().Move(lease.window_, begin);
  slot.window_begin.store(begin, std::memory_order_release);
  return Status::kOk;
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
  if (lease.window_ != FileLease::kNoWindow) {
    memory.windows().Close(lease.window_);
  }
  if (!lease.writer_) {
    read_once_ = memory.slot(lease.slot_).reads.load(std::memory_order_relaxed) <= 1;
    word &= FileSlot::kAccessed;
  } else {
    CopyBackLocked(lease, word);
  }
  Note(memory.slot(lease.slot_), word);
  IntrusiveList<FileLease>::Remove(&lease);
  any_.store(!held_.empty(), std::memory_order_relaxed);
  if (lease.writer_) {
    has_writer_.store(false, std::memory_order_release);
  }
  memory.GiveBack(lease.slot_);
  lease.memory_ = nullptr;
  lease.window_ = FileLease::kNoWindow;
  lease.state_.store(State::kEnded, std::memory_order_release);
}

// A writer was told that it had written this: it finds the memory that it was promised. The room of
// bytes that were never put there may find none.
void FileLeases::CopyBackLocked(FileLease& lease, std::uint64_t word) {
  SlotMemory& memory = *lease.memory_;
  const FileSlot& slot = memory.slot(lease.slot_);
  const bool windowed = lease.window_ != FileLease::kNoWindow;
  const std::uint64_t size =
      windowed ? data_.Size() : std::min(FileSlot::Size(word), abi::FileSlots::kRoom);
  if ((word & FileSlot::kChanged) != 0 && !windowed) {
    CopyBack(memory, lease.slot_, Part::kRoom, slot.changed.load(std::memory_order_acquire), size);
  }
  if ((word & FileSlot::kPending) != 0) {
    CopyBack(memory, lease.slot_, Part::kStage, slot.pending.load(std::memory_order_acquire), size);
  }
  if (!windowed) {
    data_.EndPromise(abi::FileSlots::kRoom);
  }
}

void FileLeases::CopyBack(SlotMemory& memory, std::uint32_t slot, Part part, std::uint64_t range,
                          std::uint64_t size) {
  std::uint64_t at = range & 0xffff'ffff;
  const std::uint64_t begin = part == Part::kRoom ? 0 : at;
  const std::uint64_t end = std::min({range >> 32, size, begin + abi::FileSlots::kRoom});
  const std::uint32_t first = part == Part::kRoom ? 0 : abi::FileSlots::kRoomPages;
  while (at < end) {
    const std::uint64_t offset = (at - begin) % mem::kPageSize;
    const std::uint64_t count = std::min(end - at, mem::kPageSize - offset);
    const auto page = static_cast<std::uint32_t>((at - begin) / mem::kPageSize);
    const auto room = memory.Room(slot, first + page);
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
    if (lease->writer_ && lease->window_ == FileLease::kNoWindow) {
      size = std::min(FileSlot::Size(word), abi::FileSlots::kRoom);
    }
  }
  return size;
}

}  // namespace k42::fs
