// What happens to a whole table: a child's copy, exec's pruning, the end.
#include "cobj/hold.h"
#include "ipc/handle_table.h"

namespace k42::ipc {

using cobj::ObjectRef;
using machine::SpinGuard;

// Nobody else knows the child's table yet, so only the parent's is locked: two of one rank never
// are.
Status HandleTable::CopyAll(HandleTable& parent) K42_NO_THREAD_SAFETY_ANALYSIS {
  for (;;) {
    const std::uint32_t capacity = parent.Capacity();
    if (capacity_ < capacity)
      TRY(GrowLocked(capacity));
    SpinGuard guard(parent.lock_);
    if (parent.capacity_ > capacity_)
      continue;  // it has grown meanwhile
    for (std::uint32_t index = abi::kFirstFreeHandleIndex; index < parent.capacity_; ++index) {
      entries_[index] = parent.entries_[index];
      used_ += entries_[index].object ? 1 : 0;
    }
    limit_ = parent.limit_;
    break;
  }
  // An object that ends meanwhile refuses: this copy has then only what it holds.
  Status status = Status::kOk;
  for (std::uint32_t index = abi::kFirstFreeHandleIndex; index < capacity_; ++index) {
    if (!entries_[index].object)
      continue;
    if (status == Status::kOk)
      status = cobj::Hold(entries_[index].object);
    if (status != Status::kOk) {
      entries_[index].object = {};
      --used_;
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
    while (index >= capacity_) TRY(GrowLocked(capacity_ == 0 ? kFirstCapacity : capacity_ * 2));
    if (entries_[index].object)
      continue;  // listed twice
    TRY(cobj::Hold(object));
    entries_[index].object = object;
    entries_[index].generation = static_cast<std::uint8_t>(abi::HandleGeneration(handle));
    ++used_;
  }
  RebuildFreeListLocked();
  return Status::kOk;
}

void HandleTable::CloseIndex(std::uint32_t index, bool fixed_too, bool respect_keep) {
  ObjectRef object;
  {
    SpinGuard guard(lock_);
    Entry& entry = entries_[index];
    if (respect_keep && entry.keep) {
      entry.keep = false;
      return;
    }
    if (!entry.object)
      return;
    object = entry.object;
    if (index >= abi::kFirstFreeHandleIndex)
      PutFreeLocked(index);
    else if (fixed_too)
      entry.object = {};
    else
      return;
  }
  cobj::Release(object);
}

void HandleTable::KeepOnly(std::span<const abi::Handle> handles) {
  {
    SpinGuard guard(lock_);
    for (const abi::Handle handle : handles) {
      if (Entry* entry = FindLocked(handle))
        entry->keep = true;
    }
  }
  for (std::uint32_t index = abi::kFirstFreeHandleIndex; index < Capacity(); ++index)
    CloseIndex(index, false, true);
}

void HandleTable::CloseAll() {
  for (std::uint32_t index = 0; index < Capacity(); ++index) CloseIndex(index, true, false);
}

}  // namespace k42::ipc
