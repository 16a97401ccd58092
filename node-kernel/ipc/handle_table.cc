#include "ipc/handle_table.h"

#include <algorithm>

#include "cobj/hold.h"

namespace k42::ipc {

namespace {

constexpr machine::HoldReason kGrowth{
    70000, "the table is made, or twice as large: its entries are moved"};

}  // namespace

using cobj::ObjectRef;
using machine::SpinGuard;

HandleTable::~HandleTable() {
  if (entries_ != nullptr)
    allocator_.Free(entries_, capacity_ * sizeof(Entry));
}

Result<abi::Handle> HandleTable::Grant(const ObjectRef& object) {
  TRY(cobj::Hold(object));
  Status refused = Status::kLimitExceeded;
  {
    SpinGuard guard(lock_, kGrowth);
    if (used_ < limit_) {
      if (first_free_ == 0 && fresh_ == capacity_)
        refused = GrowLocked(std::max(kFirstCapacity, capacity_ * 2));
      if (const std::uint32_t index = TakeFreeLocked(); index != 0) {
        entries_[index].object = object;
        ++used_;
        return abi::MakeHandle(index, entries_[index].generation);
      }
    }
  }
  cobj::Release(object);
  return refused;
}

Status HandleTable::GrantFixed(std::uint32_t index, const ObjectRef& object) {
  if (index == 0 || index >= abi::kFirstFreeHandleIndex)
    return Status::kInvalidArgument;
  TRY(cobj::Hold(object));
  const Status status = [&]() -> Status {
    SpinGuard guard(lock_, kGrowth);
    if (entries_ == nullptr)
      TRY(GrowLocked(kFirstCapacity));
    if (entries_[index].object)
      return Status::kAlreadyExists;
    entries_[index].object = object;
    return Status::kOk;
  }();
  if (status != Status::kOk)
    cobj::Release(object);
  return status;
}

Status HandleTable::Resolve(abi::Handle handle, ObjectRef* object) {
  SpinGuard guard(lock_);
  const Entry* entry = FindLocked(handle);
  if (entry == nullptr)
    return Status::kBadHandle;
  *object = entry->object;
  return Status::kOk;
}

Status HandleTable::Close(abi::Handle handle) {
  ObjectRef object;
  {
    SpinGuard guard(lock_);
    Entry* entry = FindLocked(handle);
    if (entry == nullptr || abi::HandleIndex(handle) < abi::kFirstFreeHandleIndex)
      return Status::kBadHandle;
    object = entry->object;
    PutFreeLocked(abi::HandleIndex(handle));
  }
  cobj::Release(object);
  return Status::kOk;
}

Result<abi::Handle> HandleTable::Duplicate(abi::Handle handle, std::uint32_t rights) {
  ObjectRef object;
  TRY(Resolve(handle, &object));
  object.rights &= rights;
  return Grant(object);
}

std::uint32_t HandleTable::Capacity() {
  SpinGuard guard(lock_);
  return capacity_;
}

void HandleTable::SetLimit(std::uint32_t limit) {
  SpinGuard guard(lock_);
  limit_ = std::min(limit, kIndexCount - abi::kFirstFreeHandleIndex);
}

HandleTable::Entry* HandleTable::FindLocked(abi::Handle handle) {
  const std::uint32_t index = abi::HandleIndex(handle);
  if (handle >> (abi::kHandleIndexBits + abi::kHandleGenerationBits) != 0 || index >= fresh_)
    return nullptr;
  Entry& entry = entries_[index];
  return entry.object && entry.generation == abi::HandleGeneration(handle) ? &entry : nullptr;
}

// 0: there is none.
std::uint32_t HandleTable::TakeFreeLocked() {
  if (fresh_ < capacity_) {
    StartLocked(fresh_ + 1);
    return fresh_ - 1;
  }
  const std::uint32_t index = first_free_;
  if (index != 0)
    first_free_ = entries_[index].next_free;
  return index;
}

// Makes entries below `end` of fresh ones.
void HandleTable::StartLocked(std::uint32_t end) {
  for (; fresh_ < end; ++fresh_) ::new (&entries_[fresh_]) Entry{};
}

void HandleTable::PutFreeLocked(std::uint32_t index) {
  Entry& entry = entries_[index];
  entry.object = {};
  entry.next_free = 0;
  ++entry.generation;
  --used_;
  (first_free_ == 0 ? first_free_ : entries_[last_free_].next_free) = index;
  last_free_ = index;
}

Status HandleTable::GrowLocked(std::uint32_t capacity) {
  capacity = std::min(capacity, kIndexCount);
  if (capacity <= capacity_)
    return Status::kLimitExceeded;
  auto* entries =
      static_cast<Entry*>(allocator_.Allocate(capacity * sizeof(Entry), alignof(Entry)));
  if (entries == nullptr)
    return Status::kNoMemory;
  for (std::uint32_t index = 0; index < fresh_; ++index)
    ::new (&entries[index]) Entry(entries_[index]);
  if (entries_ != nullptr)
    allocator_.Free(entries_, capacity_ * sizeof(Entry));
  entries_ = entries;
  capacity_ = capacity;
  StartLocked(abi::kFirstFreeHandleIndex);
  return Status::kOk;
}

void HandleTable::RebuildFreeListLocked() {
  first_free_ = last_free_ = 0;
  for (std::uint32_t index = abi::kFirstFreeHandleIndex; index < fresh_; ++index) {
    if (entries_[index].object)
      continue;
    entries_[index].next_free = 0;
    (first_free_ == 0 ? first_free_ : entries_[last_free_].next_free) = index;
    last_free_ = index;
  }
}

}  // namespace k42::ipc
