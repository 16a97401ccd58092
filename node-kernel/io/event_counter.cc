#include "io/event_counter.h"

namespace k42::io {

EventCounter::EventCounter(std::uint64_t initial, bool semaphore, const StreamIdentity& identity,
                           std::uint32_t flags)
    : OpenFileBase(flags),
      count_(initial),
      semaphore_(semaphore),
      identity_(identity),
      list_(abi::kWritable | (initial != 0 ? abi::kReadable : 0)) {}

void EventCounter::UpdateLocked(std::uint32_t activity, Wakeups& wakeups) {
  const std::uint32_t ready =
      (count_ != 0 ? abi::kReadable : 0) | (count_ < kMost ? abi::kWritable : 0);
  list_.Update(abi::kReadable | abi::kWritable, ready, activity, wakeups);
}

Result<std::uint64_t> EventCounter::Read(Caller, BufferOut data) {
  if (data.size() < sizeof(std::uint64_t)) {
    return Status::kInvalidArgument;
  }
  std::uint64_t taken = 0;
  {
    Wakeups wakeups;
    machine::MutexGuard guard(lock_);
    if (count_ == 0) {
      return Status::kWouldBlock;
    }
    taken = semaphore_ ? 1 : count_;
    count_ -= taken;
    UpdateLocked(abi::kWritable, wakeups);
  }
  TRY(data.CopyFrom(&taken, 0, sizeof(taken)));
  return std::uint64_t{sizeof(taken)};
}

Result<std::uint64_t> EventCounter::Write(Caller, BufferIn data) {
  std::uint64_t added = 0;
  if (data.size() < sizeof(added)) {
    return Status::kInvalidArgument;
  }
  TRY(data.CopyTo(&added, 0, sizeof(added)));
  if (added > kMost) {
    return Status::kInvalidArgument;
  }
  Wakeups wakeups;
  machine::MutexGuard guard(lock_);
  if (added > kMost - count_) {
    return Status::kWouldBlock;
  }
  count_ += added;
  UpdateLocked(abi::kReadable, wakeups);
  return std::uint64_t{sizeof(added)};
}

Status EventCounter::GetAttributes(fs::FileAttributes& attributes) {
  FillAttributes(identity_, &attributes);
  return Status::kOk;
}

Status EventCounter::GetFileSystem(fs::FileSystemInfo& info) {
  FillFileSystem(identity_, &info);
  return Status::kOk;
}

}  // namespace k42::io
