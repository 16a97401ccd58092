// What happens to a whole table: a child's copy, exec's pruning, the end.
#include "cobj/hold.h"
#include "ipc/handle_table.h"

namespace k42::ipc {

namespace {

constexpr machine::HoldReason kSome{3000, "entries are looked at until 16 are closed"};

}  // namespace

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
    StartLocked(parent.fresh_);
    for (std::uint32_t index = abi::kFirstFreeHandleIndex; index < parent.fresh_; ++index) {
      entries_[index] = parent.entries_[index];
      used_ += entries_[index].object ? 1 : 0;
    }
    limit_ = parent.limit_;
    break;
  }
  // An object that ends meanwhile refuses: this copy has then only what it holds.
  Status status = Status::kOk;
  for (std::uint32_t index = abi::kFirstFreeHandleIndex; index < fresh_; ++index) {
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
    if (index >= fresh_)
      StartLocked(index + 1);
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

// Some at a time: objects are told without the lock.
void HandleTable::CloseFrom(std::uint32_t index, bool respect_keep) {
  constexpr std::uint32_t kBatch = 16;
  for (;;) {
    ObjectRef closed[kBatch];
    std::uint32_t count = 0;
    {
      SpinGuard guard(lock_, kSome);
      for (; index < fresh_ && count < kBatch; ++index) {
        Entry& entry = entries_[index];
        if (respect_keep && entry.keep) {
          entry.keep = false;
        } else if (entry.object) {
          closed[count++] = entry.object;
          if (index >= abi::kFirstFreeHandleIndex)
            PutFreeLocked(index);
          else
            entry.object = {};
        }
      }
    }
    if (count == 0)
      return;
    for (std::uint32_t i = 0; i < count; ++i) cobj::Release(closed[i]);
  }
}

void HandleTable::KeepOnly(std::span<const abi::Handle> handles) {
  {
    SpinGuard guard(lock_);
    for (const abi::Handle handle : handles) {
      if (Entry* entry = FindLocked(handle))
        entry->keep = true;
    }
  }
  CloseFrom(abi::kFirstFreeHandleIndex, true);
}

void HandleTable::CloseAll() {
  CloseFrom(0, false);
}

}  // namespace k42::ipc
