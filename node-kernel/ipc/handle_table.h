// HandleTable: the handles of one process. A handle is an index and an 8-bit generation
// (abi/native_call.h); the table maps it to an object, its interface and the holder's rights.
//
// Entries are fresh (never taken; from fresh_ on), free (generation = that of the next handle with
// this index) or taken. Fresh ones are taken first, free indices are reused first in, first out: so
// a stale handle is noticed for as long as possible, and a table costs what was used of it. The
// first kFirstFreeHandleIndex indices are filled by whoever makes the process and are never reused.
//
// Objects whose interface derives from cobj.Counted are told of each handle made and closed; always
// with the lock dropped, since they may destroy themselves or call on.
//
// The entries lie in chunks that never move, each as large as all before it.
//
// Locking: lock_ guards changes. Lookups take no lock (handle_entry.h), so that calls of many CPUs
// through one process's handles write nothing in common. The object found may be destroyed at any
// time: its reference answers kDeleted for as long as the finder stays in its call. Whoever keeps
// the reference for longer, or waits with it, holds the object (cobj/hold.h): ids are reused.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <span>

#include "abi/native_call.h"
#include "base/allocator.h"
#include "base/result.h"
#include "cobj/call_context.h"
#include "ipc/handle_entry.h"
#include "machine/spin_lock.h"

namespace k42::ipc {

class HandleTable final : public cobj::HandleSpace {
 public:
  static constexpr std::uint32_t kIndexCount = 1u << abi::kHandleIndexBits;
  static constexpr std::uint32_t kDefaultLimit = 4096;

  explicit HandleTable(Allocator& allocator) : allocator_(allocator) {}
  // Precondition: CloseAll was called.
  ~HandleTable();
  HandleTable(const HandleTable&) = delete;
  HandleTable& operator=(const HandleTable&) = delete;

  // kDeleted: a counted object whose last handle has gone gets no new one.
  Result<abi::Handle> Grant(const cobj::ObjectRef& object) override;
  Status Resolve(abi::Handle handle, cobj::ObjectRef* object) override {
    const std::uint32_t index = abi::HandleIndex(handle);
    const bool found = handle >> (abi::kHandleIndexBits + abi::kHandleGenerationBits) == 0 &&
                       index < fresh_.load(std::memory_order_acquire) &&
                       At(index).Read(abi::HandleGeneration(handle), object);
    return found ? Status::kOk : Status::kBadHandle;
  }
  Status Close(abi::Handle handle) override;

  // Fills one of the fixed indices, generation 0.
  Status GrantFixed(std::uint32_t index, const cobj::ObjectRef& object);
  // A further handle for the same object, with those of `rights` that `handle` has.
  Result<abi::Handle> Duplicate(abi::Handle handle, std::uint32_t rights);

  // For a new process: all of `parent`'s handles beyond the fixed ones, under the same numbers; or
  // the listed ones only (kBadHandle if one is not there). kDeleted as for Grant. Precondition:
  // nothing granted here but fixed handles, and nobody else uses this table yet.
  Status CopyAll(HandleTable& parent);
  Status CopyListed(HandleTable& parent, std::span<const abi::Handle> handles);
  // Closes all but the fixed and the listed ones.
  void KeepOnly(std::span<const abi::Handle> handles);
  void CloseAll();

  // Most handles beyond the fixed ones; handles above a lowered limit stay.
  void SetLimit(std::uint32_t limit);
  std::uint32_t limit() const { return limit_; }
  std::uint32_t count() const { return used_; }

 private:
  static constexpr std::uint32_t kFirstChunk = 64;  // entries
  static constexpr std::uint32_t kChunks =
      std::bit_width((1u << abi::kHandleIndexBits) / kFirstChunk - 1) + 1;

  // 0: indices below kFirstChunk; n: from kFirstChunk << (n - 1) on, as many again.
  static constexpr std::uint32_t ChunkOf(std::uint32_t index) {
    return static_cast<std::uint32_t>(std::bit_width(index / kFirstChunk));
  }
  static constexpr std::uint32_t StartOfChunk(std::uint32_t chunk) {
    return chunk == 0 ? 0 : kFirstChunk << (chunk - 1);
  }
  static constexpr std::uint32_t SizeOfChunk(std::uint32_t chunk) {
    return chunk == 0 ? kFirstChunk : kFirstChunk << (chunk - 1);
  }

  // Precondition: below fresh_, or being made.
  HandleEntry& At(std::uint32_t index) {
    const std::uint32_t chunk = ChunkOf(index);
    return chunk_[chunk][index - StartOfChunk(chunk)];
  }
  // One chunk more, unless somebody else has made it meanwhile. kLimitExceeded; kNoMemory.
  Status GrowBeyond(std::uint32_t capacity);
  // The entry of its index; null: there is none. Takes no lock: entries never move.
  HandleEntry* EntryOf(abi::Handle handle) {
    const std::uint32_t index = abi::HandleIndex(handle);
    return handle >> (abi::kHandleIndexBits + abi::kHandleGenerationBits) == 0 &&
                   index < fresh_.load(std::memory_order_acquire)
               ? &At(index)
               : nullptr;
  }
  struct Free {
    std::uint32_t index = 0;
    HandleEntry* entry = nullptr;  // null: there is none
  };
  Free TakeFreeLocked() K42_REQUIRES(lock_);
  void PutFreeLocked(std::uint32_t index, HandleEntry& entry) K42_REQUIRES(lock_);
  void AppendFreeLocked(std::uint32_t index, HandleEntry& entry) K42_REQUIRES(lock_);
  void RebuildFreeListLocked() K42_REQUIRES(lock_);
  void StartLocked(std::uint32_t end) K42_REQUIRES(lock_);
  void CloseFrom(std::uint32_t index, bool respect_keep);

  Allocator& allocator_;
  machine::SpinLock<LockRank::kHandles> lock_;
  HandleEntry* chunk_[kChunks] = {};     // written before fresh_ says that they are there
  std::atomic<std::uint32_t> fresh_{0};  // entries below it are objects
  std::uint32_t capacity_ K42_GUARDED_BY(lock_) = 0;
  std::uint32_t first_free_ K42_GUARDED_BY(lock_) = 0;
  HandleEntry* last_free_ K42_GUARDED_BY(lock_) = nullptr;  // if first_free_ says that there is one
  std::uint32_t used_ = 0;                                  // beyond the fixed ones
  std::uint32_t limit_ = kDefaultLimit;
};

}  // namespace k42::ipc
