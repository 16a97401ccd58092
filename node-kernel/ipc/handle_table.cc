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
      if (const auto [index, entry] = TakeFreeLocked(); entry != nullptr) {
        entry->Fill(object);
        ++used_;
        return abi::MakeHandle(index, entry->generation());
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
  const std::uint32_t index = abi::HandleIndex(handle);
  const std::uint32_t generation = abi::HandleGeneration(handle);
  HandleEntry* const entry = EntryOf(handle);
  if (entry == nullptr || index < abi::kFirstFreeHandleIndex)
    return Status::kBadHandle;
  ObjectRef object;
  {
    SpinGuard guard(lock_);
    if (!entry->IsTakenAs(generation))
      return Status::kBadHandle;
    object = entry->object();
    PutFreeLocked(index, *entry);
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

HandleTable::Free HandleTable::TakeFreeLocked() {
  const std::uint32_t fresh = fresh_.load(std::memory_order_relaxed);
  if (fresh < capacity_) {
    auto* entry = ::new (&At(fresh)) HandleEntry;
    fresh_.store(fresh + 1, std::memory_order_release);
    return {fresh, entry};
  }
  const std::uint32_t index = first_free_;
  if (index == 0)
    return {};
  HandleEntry& entry = At(index);
  first_free_ = entry.next_free;
  return {index, &entry};
}

// Makes entries below `end` of fresh ones.
void HandleTable::StartLocked(std::uint32_t end) {
  std::uint32_t fresh = fresh_.load(std::memory_order_relaxed);
  for (; fresh < end; ++fresh) ::new (&At(fresh)) HandleEntry;
  fresh_.store(fresh, std::memory_order_release);
}

void HandleTable::PutFreeLocked(std::uint32_t index, HandleEntry& entry) {
  entry.Empty();
  --used_;
  AppendFreeLocked(index, entry);
}

void HandleTable::AppendFreeLocked(std::uint32_t index, HandleEntry& entry) {
  entry.next_free = 0;
  (first_free_ == 0 ? first_free_ : last_free_->next_free) = index;
  last_free_ = &entry;
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
  first_free_ = 0;
  const std::uint32_t end = fresh_.load(std::memory_order_relaxed);
  for (std::uint32_t index = abi::kFirstFreeHandleIndex; index < end; ++index) {
    HandleEntry& entry = At(index);
    if (!entry.taken())
      AppendFreeLocked(index, entry);
  }
}

}  // namespace k42::ipc
