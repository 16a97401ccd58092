// What happens to a whole table: a child's copy, exec's pruning, the end.
#include <algorithm>

#include "cobj/hold.h"
#include "ipc/handle_table.h"

namespace k42::ipc {

namespace {

constexpr machine::HoldReason kSome{1000, "16 entries are looked at, and emptied"};

}  // namespace

using cobj::ObjectRef;
using machine::SpinGuard;

// The child's table is nobody else's yet, and the parent's is read without its lock: a handle that
// another of the parent's threads makes or closes meanwhile is copied or not.
Status HandleTable::CopyAll(HandleTable& parent) K42_NO_THREAD_SAFETY_ANALYSIS {
  limit_ = parent.limit_;
  const std::uint32_t end = parent.fresh_.load(std::memory_order_acquire);
  while (capacity_ < end) TRY(GrowBeyond(capacity_));
  StartLocked(end);
  // An object that ends meanwhile refuses: this copy has then only what it holds.
  Status status = Status::kOk;
  for (std::uint32_t index = abi::kFirstFreeHandleIndex; index < end; ++index) {
    const std::uint8_t generation = parent.At(index).generation();
    At(index).StartAt(generation);
    ObjectRef object;
    if (status != Status::kOk || !parent.At(index).Read(generation, &object))
      continue;
    status = cobj::Hold(object);
    if (status == Status::kOk) {
      At(index).Fill(object);
      ++used_;
    } else if (status == Status::kDeleted && !parent.At(index).Read(generation, &object)) {
      status = Status::kOk;  // closed just now, by the last who had it
    }
  }
  RebuildFreeListLocked();
  return status;
}

// As above.
Status HandleTable::CopyListed(HandleTable& parent,
                               std::span<const abi::Handle> handles) K42_NO_THREAD_SAFETY_ANALYSIS {
  limit_ = parent.limit_;
  for (const abi::Handle handle : handles) {
    ObjectRef object;
    TRY(parent.Resolve(handle, &object));
    const std::uint32_t index = abi::HandleIndex(handle);
    if (index < abi::kFirstFreeHandleIndex)
      return Status::kBadHandle;
    while (index >= capacity_) TRY(GrowBeyond(capacity_));
    if (index >= fresh_.load(std::memory_order_relaxed))
      StartLocked(index + 1);
    if (At(index).taken())
      continue;  // listed twice
    TRY(cobj::Hold(object));
    At(index).StartAt(abi::HandleGeneration(handle));
    At(index).Fill(object);
    ++used_;
  }
  RebuildFreeListLocked();
  return Status::kOk;
}

// Some at a time: objects are told without the lock.
void HandleTable::CloseFrom(std::uint32_t index, bool respect_keep) {
  constexpr std::uint32_t kBatch = 16;
  while (index < fresh_.load(std::memory_order_acquire)) {
    ObjectRef closed[kBatch];
    std::uint32_t count = 0;
    {
      SpinGuard guard(lock_, kSome);
      const std::uint32_t end = std::min(index + kBatch, fresh_.load(std::memory_order_relaxed));
      for (; index < end; ++index) {
        HandleEntry& entry = At(index);
        if (respect_keep && entry.keep) {
          entry.keep = false;
        } else if (entry.taken()) {
          closed[count++] = entry.object();
          if (index >= abi::kFirstFreeHandleIndex)
            PutFreeLocked(index, entry);
          else
            entry.Empty();
        }
      }
    }
    for (std::uint32_t i = 0; i < count; ++i) cobj::Release(closed[i]);
  }
}

void HandleTable::KeepOnly(std::span<const abi::Handle> handles) {
  for (const abi::Handle handle : handles) {
    HandleEntry* const entry = EntryOf(handle);
    if (entry == nullptr)
      continue;
    SpinGuard guard(lock_);
    if (entry->IsTakenAs(abi::HandleGeneration(handle)))
      entry->keep = true;
  }
  CloseFrom(abi::kFirstFreeHandleIndex, true);
}

void HandleTable::CloseAll() {
  CloseFrom(0, false);
}

}  // namespace k42::ipc
