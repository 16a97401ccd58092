#include "ipc/handle_table.h"

#include <algorithm>
#include <utility>

#include "cobj/hold.h"

namespace k42::ipc {

namespace {

constexpr machine::HoldReason kFirstChunkMade{600, "the entries of the fixed handles are made"};

}  // namespace

using cobj::ObjectRef;
using machine::SpinGuard;

HandleTable::~HandleTable() {
  for (std::uint32_t chunk = 0; chunk < kChunks && chunk_[chunk] != nullptr; ++chunk)
    allocator_.Free(chunk_[chunk], SizeOfChunk(chunk) * sizeof(HandleEntry));
}

Result<abi::Handle> HandleTable::Grant(const ObjectRef& object) {
  TRY(cobj::Hold(object));
  Status status = Status::kOk;
  while (status == Status::kOk) {
    std::uint32_t capacity = 0;
    {
      SpinGuard guard(lock_);
      if (used_ >= limit_) {
        status = Status::kLimitExceeded;
        break;
      }
      if (const std::uint32_t index = TakeFreeLocked(); index != 0) {
        At(index).Fill(object);
        ++used_;
        return abi::MakeHandle(index, At(index).generation());
      }
      capacity = capacity_;
    }
    status = GrowBeyond(capacity);
  }
  cobj::Release(object);
  return status;
}

Status HandleTable::GrantFixed(std::uint32_t index, const ObjectRef& object) {
  if (index == 0 || index >= abi::kFirstFreeHandleIndex)
    return Status::kInvalidArgument;
  if (!object.info->own)
    TRY(cobj::Hold(object));
  Status status = Status::kOk;
  while (status == Status::kOk) {
    {
      SpinGuard guard(lock_);
      if (capacity_ != 0) {
        if (At(index).taken()) {
          status = Status::kAlreadyExists;
          break;
        }
        At(index).Fill(object);
        return Status::kOk;
      }
    }
    status = GrowBeyond(0);
  }
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

// Memory is found without the lock: whoever is too late gives it back.
Status HandleTable::GrowBeyond(std::uint32_t capacity) {
  if (capacity == kIndexCount)
    return Status::kLimitExceeded;
  const std::uint32_t chunk = ChunkOf(capacity), size = SizeOfChunk(chunk);
  auto* entries = static_cast<HandleEntry*>(
      allocator_.Allocate(size * sizeof(HandleEntry), alignof(HandleEntry)));
  if (entries == nullptr)
    return Status::kNoMemory;
  {
    SpinGuard guard(lock_, kFirstChunkMade);
    if (capacity_ == capacity) {
      chunk_[chunk] = std::exchange(entries, nullptr);
      capacity_ += size;
      if (chunk == 0)
        StartLocked(abi::kFirstFreeHandleIndex);
    }
  }
  if (entries != nullptr)
    allocator_.Free(entries, size * sizeof(HandleEntry));
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
