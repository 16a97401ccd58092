// EventCounter: a 64-bit count. Writing adds, reading takes: all of it, or one (`semaphore`).
//
// Locking: lock_ guards the count.
#pragma once

#include "fs/open_file_base.h"
#include "io/ready_list.h"
#include "io/stream_attributes.h"
#include "machine/mutex.h"

namespace k42::io {

class EventCounter final : public fs::OpenFileBase<fs::IOpenFile> {
 public:
  using Caller = const cobj::CallContext&;
  static constexpr std::uint64_t kMost = ~std::uint64_t{1};

  EventCounter(std::uint64_t initial, bool semaphore, const StreamIdentity& identity,
               std::uint32_t flags);

  Result<std::uint64_t> PollState() override { return list_.Word(); }
  Status Arm(std::uint32_t mask, std::uint64_t since, cobj::Ticket ready) override {
    return list_.Arm(mask, since, ready);
  }
  Status Disarm(Caller caller, std::uint32_t number) override {
    list_.Disarm(caller, number);
    return Status::kOk;
  }
  Result<std::uint64_t> Read(Caller caller, BufferOut data) override;
  Result<std::uint64_t> Write(Caller caller, BufferIn data) override;
  Status GetAttributes(fs::FileAttributes& attributes) override;
  Status GetFileSystem(fs::FileSystemInfo& info) override;
  Result<fs::FileKind> Kind() override { return fs::FileKind::kEventCounter; }

 private:
  void Closed() override {}
  void UpdateLocked(std::uint32_t activity, Wakeups& wakeups) K42_REQUIRES(lock_);

  machine::Mutex<LockRank::kStream> lock_;
  std::uint64_t count_ K42_GUARDED_BY(lock_);
  const bool semaphore_;
  const StreamIdentity identity_;
  ReadyList list_;
};

}  // namespace k42::io
