#include "fs/name_map.h"

#include <cstring>
#include <new>

#include "mem/heap.h"

namespace k42::fs {

NameMap::~NameMap() {
  while (Name* name = order_.Front()) {
    Remove(name);
  }
  if (buckets_ != nullptr) {
    mem::Free(buckets_, bucket_count_ * sizeof(Name*));
  }
}

std::uint32_t NameMap::Hash(std::string_view name) {
  std::uint32_t hash = 2166136261;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619;
  }
  return hash ^ hash >> 15;
}

NameMap::Name* NameMap::Find(std::string_view name) const {
  if (bucket_count_ == 0) {
    return nullptr;
  }
  const std::uint32_t hash = Hash(name);
  for (Name* at = buckets_[hash % bucket_count_]; at != nullptr; at = at->chain) {
    if (at->hash == hash && at->view() == name) {
      return at;
    }
  }
  return nullptr;
}

// More buckets if they are crowded; without memory the chains just get longer.
void NameMap::Grow() {
  if (bucket_count_ != 0 && size_ < 2 * bucket_count_) {
    return;
  }
  const std::size_t count = bucket_count_ == 0 ? 8 : bucket_count_ * 4;
  auto* buckets = static_cast<Name**>(mem::Allocate(count * sizeof(Name*)));
  if (buckets == nullptr) {
    return;
  }
  std::memset(buckets, 0, count * sizeof(Name*));
  for (Name& name : order_) {
    name.chain = buckets[name.hash % count];
    buckets[name.hash % count] = &name;
  }
  if (buckets_ != nullptr) {
    mem::Free(buckets_, bucket_count_ * sizeof(Name*));
  }
  buckets_ = buckets;
  bucket_count_ = count;
}

Status NameMap::Insert(std::string_view name, RefPtr<MemoryNode> node) {
  Grow();
  void* space = bucket_count_ == 0 ? nullptr : mem::Allocate(Bytes(name.size()));
  if (space == nullptr) {
    return Status::kNoMemory;
  }
  Name* made = ::new (space) Name;
  made->cookie = next_cookie_++;
  made->node = std::move(node);
  made->hash = Hash(name);
  made->size = static_cast<std::uint32_t>(name.size());
  std::memcpy(made->text, name.data(), name.size());
  Name*& bucket = buckets_[made->hash % bucket_count_];
  made->chain = bucket;
  bucket = made;
  order_.PushBack(made);
  ++size_;
  return Status::kOk;
}

void NameMap::Remove(Name* name) {
  Name** link = &buckets_[name->hash % bucket_count_];
  while (*link != name) {
    link = &(*link)->chain;
  }
  *link = name->chain;
  IntrusiveList<Name>::Remove(name);
  --size_;
  const std::size_t bytes = Bytes(name->size);
  name->~Name();
  mem::Free(name, bytes);
}

NameMap::Name* NameMap::After(std::uint64_t cookie) const {
  for (Name& name : order_) {
    if (name.cookie > cookie) {
      return &name;
    }
  }
  return nullptr;
}

}  // namespace k42::fs
