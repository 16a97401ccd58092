// OpenFileBase<I>: what all open files have in common: they live as long as handles name them, have
// changeable flags, and refuse what their kind does not do. I is IOpenFile or derived from it.
//
// Life: made with count 0 and handed out; each handle counts. When the last one goes, Closed() runs
// once, at once (a pipe's other end sees the end now, not a grace period later), and the object
// destroys itself. Closed() may be passed by calls that are still inside: every kind copes.
#pragma once

#include <atomic>
#include <cstdint>

#include "abi/readiness.h"
#include "cobj/handle_count.h"
#include "cobj/make.h"
#include "fs/open_file.idl.h"

namespace k42::fs {

template <typename I>
class OpenFileBase : public I {
 public:
  using Interface = I;

  void SetSelf(cobj::Ref<I> self) { self_ = self; }

  Status HandleAdded() final { return handles_.Add(); }
  Status HandleDropped() final {
    if (handles_.Drop()) {
      Closed();
      return cobj::Destroy(self_);
    }
    return Status::kOk;
  }

  // -- refusals ---------------------------------------------------------------------------------
  Result<std::uint64_t> Read(const cobj::CallContext&, BufferOut) override {
    return Status::kInvalidArgument;
  }
  Result<std::uint64_t> Write(const cobj::CallContext&, BufferIn) override {
    return Status::kInvalidArgument;
  }
  Result<std::uint64_t> ReadAt(const cobj::CallContext&, std::uint64_t, BufferOut) override {
    return Status::kIllegalSeek;
  }
  Result<std::uint64_t> WriteAt(const cobj::CallContext&, std::uint64_t, BufferIn) override {
    return Status::kIllegalSeek;
  }
  Result<std::uint64_t> Seek(std::int64_t, SeekFrom) override { return Status::kIllegalSeek; }
  Result<std::uint64_t> ReadDirectory(const cobj::CallContext&, BufferOut) override {
    return Status::kNotDirectory;
  }
  Status SetAttributes(const cobj::CallContext&, const AttributeChange&) override {
    return Status::kInvalidArgument;
  }
  Status Allocate(const cobj::CallContext&, AllocateMode, std::uint64_t, std::uint64_t) override {
    return Status::kIllegalSeek;
  }
  Status Sync(bool) override { return Status::kInvalidArgument; }
  Status LockRange(const cobj::CallContext&, const RangeLock&, bool) override {
    return Status::kInvalidArgument;
  }
  Status QueryLock(const cobj::CallContext&, const RangeLock&, RangeLock&) override {
    return Status::kInvalidArgument;
  }
  Status LockWhole(const cobj::CallContext&, LockKind, bool) override {
    return Status::kInvalidArgument;
  }
  Status DropProcessLocks(const cobj::CallContext&) override { return Status::kOk; }
  Result<cobj::Granted<mem::IMemoryObject>> Memory(const cobj::CallContext&) override {
    return Status::kNotSupported;
  }
  Result<std::uint64_t> Control(const cobj::CallContext&, std::uint32_t, BufferIn,
                                BufferOut) override {
    return Status::kNotTerminal;
  }
  Result<bool> HasOneHandle() final { return handles_.IsOne(); }
  Result<Entry*> TakeEntry() override { return static_cast<Entry*>(nullptr); }
  Status UseSlot(const cobj::CallContext&, SlotMemory&, std::uint32_t, std::uint32_t) override {
    return Status::kNotSupported;
  }

  Result<std::uint64_t> ReadOrArm(const cobj::CallContext& caller, BufferOut data,
                                  cobj::Ticket ready) final {
    const Result<std::uint64_t> got = this->Read(caller, data);
    if (got.status() != Status::kWouldBlock || (flags() & kOpenNonBlocking) != 0 || !ready) {
      return got;
    }
    TRY(this->Arm(abi::kReadable, abi::kArmLevel, ready));
    return Status::kPending;
  }

  // -- flags ------------------------------------------------------------------------------------
  Result<std::uint32_t> GetFlags() final { return flags(); }
  Status SetFlags(std::uint32_t flags) override {
    std::uint32_t now = flags_.load(std::memory_order_relaxed);
    while (!flags_.compare_exchange_weak(now, (now & ~kOpenChangeable) | (flags & kOpenChangeable),
                                         std::memory_order_relaxed)) {
    }
    return Status::kOk;
  }

 protected:
  explicit OpenFileBase(std::uint32_t flags) : flags_(flags) {}
  ~OpenFileBase() = default;
  // The last handle is gone.
  virtual void Closed() = 0;
  std::uint32_t flags() const { return flags_.load(std::memory_order_relaxed); }
  cobj::Ref<I> self() const { return self_; }

 private:
  cobj::HandleCount handles_;
  std::atomic<std::uint32_t> flags_;
  cobj::Ref<I> self_;
};

// What a handle to something opened with `flags` may do.
constexpr std::uint32_t RightsFor(std::uint32_t flags) {
  std::uint32_t rights = kRightControl | kRightGrant;
  if ((flags & kOpenPathOnly) != 0) {
    return rights;
  }
  if ((flags & (kOpenRead | kOpenExecute)) != 0) {
    rights |= kRightRead | kRightMap;
  }
  if ((flags & kOpenExecute) != 0) {
    rights |= kRightExecute;
  }
  if ((flags & kOpenWrite) != 0) {
    rights |= kRightWrite;
  }
  return rights;
}

}  // namespace k42::fs
