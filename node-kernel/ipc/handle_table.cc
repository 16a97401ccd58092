#include "ipc/handle_table.h"

#include <algorithm>

#include "cobj/hold.h"

namespace k42::ipc {

namespace {

constexpr machine::HoldReason kGrowth{
    60000, "memory is found for a chunk of the table, and a debug kernel's records of it"};

}  // namespace

using cobj::ObjectRef;
using machine::SpinGuard;

HandleTable::~HandleTable() {
  for (std::uint32_t chunk = 0; chunk < kChunks && chunk_[chunk] != nullptr; ++chunk)
    allocator_.Free(chunk_[chunk], SizeOfChunk(chunk) * sizeof(HandleEntry));
}

Result<abi::Handle> HandleTable::Grant(const ObjectRef& object) {
  TRY(cobj::Hold(object));
  Status refused = Status::kLimitExceeded;
  {
    SpinGuard guard(lock_, kGrowth);
    if (used_ < limit_) {
      if (first_free_ == 0 && fresh_.load(std::memory_order_relaxed) == capacity_)
        refused = GrowLocked();
      if (const std::uint32_t index = TakeFreeLocked(); index != 0) {
        At(index).Fill(object);
        ++used_;
        return abi::MakeHandle(index, At(index).generation());
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
    if (capacity_ == 0)
      TRY(GrowLocked());
    if (At(index).taken())
      return Status::kAlreadyExists;
    At(index).Fill(object);
    return Status::kOk;
  }();
  if (status != Status::kOk)
    cobj::Release(object);
  return status;
}

Status HandleTable::Close(abi::Handle handle) {
  ObjectRef object;
  {
    SpinGuard guard(lock_);
    const HandleEntry* entry = FindLocked(handle);
    if (entry == nullptr || abi::HandleIndex(handle) < abi::kFirstFreeHandleIndex)
      return Status::kBadHandle;
    object = entry->object();
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

void HandleTable::SetLimit(std::uint32_t limit) {
  SpinGuard guard(lock_);
  limit_ = std::min(limit, kIndexCount - abi::kFirstFreeHandleIndex);
}

HandleEntry* HandleTable::FindLocked(abi::Handle handle) {
  const std::uint32_t index = abi::HandleIndex(handle);
  if (handle >> (abi::kHandleIndexBits + abi::kHandleGenerationBits) != 0 ||
      index >= fresh_.load(std::memory_order_relaxed))
    return nullptr;
  HandleEntry& entry = At(index);
  return entry.taken() && entry.generation() == abi::HandleGeneration(handle) ? &entry : nullptr;
}

// 0: there is none.
std::uint32_t HandleTable::TakeFreeLocked() {
  const std::uint32_t fresh = fresh_.load(std::memory_order_relaxed);
  if (fresh < capacity_) {
    StartLocked(fresh + 1);
    return fresh;
  }
  const std::uint32_t index = first_free_;
  if (index != 0)
    first_free_ = At(index).next_free;
  return index;
}

// Makes entries below `end` of fresh ones.
void HandleTable::StartLocked(std::uint32_t end) {
  std::uint32_t fresh = fresh_.load(std::memory_order_relaxed);
  for (; fresh < end; ++fresh) ::new (&At(fresh)) HandleEntry;
  fresh_.store(fresh, std::memory_order_release);
}

void HandleTable::PutFreeLocked(std::uint32_t index) {
  HandleEntry& entry = At(index);
  entry.Empty();
  entry.next_free = 0;
  --used_;
  (first_free_ == 0 ? first_free_ : At(last_free_).next_free) = index;
  last_free_ = index;
}

// By one chunk. Precondition: no entry is fresh.
Status HandleTable::GrowLocked() {
  if (capacity_ == kIndexCount)
    return Status::kLimitExceeded;
  const std::uint32_t chunk = ChunkOf(capacity_), size = SizeOfChunk(chunk);
  auto* entries = static_cast<HandleEntry*>(
      allocator_.Allocate(size * sizeof(HandleEntry), alignof(HandleEntry)));
  if (entries == nullptr)
    return Status::kNoMemory;
  chunk_[chunk] = entries;
  capacity_ += size;
  if (chunk == 0)
    StartLocked(abi::kFirstFreeHandleIndex);
  return Status::kOk;
}

void HandleTable::RebuildFreeListLocked() {
  first_free_ = last_free_ = 0;
  const std::uint32_t end = fresh_.load(std::memory_order_relaxed);
  for (std::uint32_t index = abi::kFirstFreeHandleIndex; index < end; ++index) {
    HandleEntry& entry = At(index);
    if (entry.taken())
      continue;
    entry.next_free = 0;
    (first_free_ == 0 ? first_free_ : At(last_free_).next_free) = index;
    last_free_ = index;
  }
}

}  // namespace k42::ipc
