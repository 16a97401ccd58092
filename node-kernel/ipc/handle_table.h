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
// Locking: lock_ guards the array; lookups copy the entry out. The object found may be destroyed
// at any time: its reference answers kDeleted for as long as the finder stays in its call. Whoever
// keeps the reference for longer, or waits with it, holds the object (cobj/hold.h): ids are reused.
#pragma once

#include <cstdint>
#include <span>

#include "abi/native_call.h"
#include "base/allocator.h"
#include "base/result.h"
#include "cobj/call_context.h"
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
  Status Resolve(abi::Handle handle, cobj::ObjectRef* object) override;
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
  struct Entry {
    cobj::ObjectRef object;       // no info: free
    std::uint32_t next_free = 0;  // free: the next one, 0 is none
    std::uint8_t generation = 0;
    bool keep = false;  // scratch of KeepOnly
  };

  static constexpr std::uint32_t kFirstCapacity = 64;

  std::uint32_t Capacity();  // only grows
  Status GrowLocked(std::uint32_t capacity) K42_REQUIRES(lock_);
  Entry* FindLocked(abi::Handle handle) K42_REQUIRES(lock_);
  std::uint32_t TakeFreeLocked() K42_REQUIRES(lock_);
  void PutFreeLocked(std::uint32_t index) K42_REQUIRES(lock_);
  void RebuildFreeListLocked() K42_REQUIRES(lock_);
  void StartLocked(std::uint32_t end) K42_REQUIRES(lock_);
  void CloseFrom(std::uint32_t index, bool respect_keep);

  Allocator& allocator_;
  machine::SpinLock<LockRank::kHandles> lock_;
  Entry* entries_ K42_GUARDED_BY(lock_) = nullptr;
  std::uint32_t capacity_ K42_GUARDED_BY(lock_) = 0;
  std::uint32_t fresh_ K42_GUARDED_BY(lock_) = 0;  // entries below it are objects
  std::uint32_t first_free_ K42_GUARDED_BY(lock_) = 0;
  std::uint32_t last_free_ K42_GUARDED_BY(lock_) = 0;
  std::uint32_t used_ = 0;  // beyond the fixed ones
  std::uint32_t limit_ = kDefaultLimit;
};

}  // namespace k42::ipc
