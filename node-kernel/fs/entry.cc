#include "fs/entry.h"

#include <cstring>

#include "mem/heap.h"

namespace k42::fs {

// -- Entry ----------------------------------------------------------------------------------------

Entry::~Entry() {
  FreeName();
}

void Entry::FreeName() {
  if (name_ != nullptr && name_ != inline_name_) {
    mem::Free(const_cast<char*>(name_), name_size_);
  }
  name_ = nullptr;
}

Status Entry::SetName(std::string_view name) {
  char* space = inline_name_;
  if (name.size() > kInlineName) {
    space = static_cast<char*>(mem::Allocate(name.size()));
    if (space == nullptr) {
      return Status::kNoMemory;
    }
  }
  std::memcpy(space, name.data(), name.size());
  name_ = space;
  name_size_ = static_cast<std::uint32_t>(name.size());
  return Status::kOk;
}

void Entry::Dispose() {
  table_.Unhash(*this);
  mem::Delete(this);
}

// -- EntryTable -----------------------------------------------------------------------------------

EntryTable::~EntryTable() {
  for (RefPtr<Entry>& entry : kept_) {
    entry = nullptr;
  }
}

EntryTable::Bucket& EntryTable::BucketOf(const Entry* parent, std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325 ^ reinterpret_cast<std::uintptr_t>(parent) >> 4;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return buckets_[(hash ^ hash >> 29) % kBuckets];
}

RefPtr<Entry> EntryTable::Find(const Entry& parent, std::string_view name) {
  Bucket& bucket = BucketOf(&parent, name);
  machine::SpinGuard guard(bucket.lock);
  for (Entry& entry : bucket.chain) {
    if (entry.parent_.get() == &parent && entry.name() == name && entry.TryAddReference()) {
      return RefPtr<Entry>::Adopt(&entry);
    }
  }
  return nullptr;
}

Result<Entry*> EntryTable::Add(Entry& parent, std::string_view name, RefPtr<Node> node,
                               bool hashed) {
  Entry* made = TRY(mem::New<Entry>(*this, parent.file_system_, RefPtr<Entry>(&parent), node));
  RefPtr<Entry> entry = RefPtr<Entry>::Adopt(made);
  TRY(made->SetName(name));
  if (!hashed) {
    return entry.Release();
  }
  Bucket& bucket = BucketOf(&parent, name);
  {
    machine::SpinGuard guard(bucket.lock);
    for (Entry& other : bucket.chain) {
      if (other.parent_.get() == &parent && other.name() == name && other.node_ == node &&
          other.TryAddReference()) {
        return &other;
      }
    }
    bucket.chain.PushFront(made);
    made->hashed_ = true;
  }
  if (parent.file_system_.caching() == FileSystem::Caching::kAlways) {
    Keep(*made);
  }
  return entry.Release();
}

Result<Entry*> EntryTable::MakeRoot(FileSystem& file_system, std::uint32_t mount_number) {
  Entry* root =
      TRY(mem::New<Entry>(*this, file_system, RefPtr<Entry>(), RefPtr<Node>(&file_system.Root())));
  root->mount_number_ = mount_number;
  return root;
}

void EntryTable::Keep(Entry& entry) {
  RefPtr<Entry> reference(&entry);  // the displaced one is dropped after the lock
  machine::SpinGuard guard(kept_lock_);
  std::swap(kept_[next_kept_], reference);
  next_kept_ = (next_kept_ + 1) % kKept;
}

bool EntryTable::Unhash(Entry& entry) {
  Bucket& bucket = BucketOf(entry.parent_.get(), entry.name());
  machine::SpinGuard guard(bucket.lock);
  if (!entry.hashed_) {
    return false;
  }
  IntrusiveList<Entry>::Remove(&entry);
  entry.hashed_ = false;
  return true;
}

void EntryTable::Forget(Entry& entry) {
  Unhash(entry);
}

void EntryTable::Forget(const Entry& parent, std::string_view name) {
  while (RefPtr<Entry> entry = Find(parent, name)) {
    Unhash(*entry);
  }
}

void EntryTable::Move(Entry& entry, Entry& new_parent, std::string_view new_name) {
  const bool was_hashed = Unhash(entry);
  RefPtr<Entry> parent(&new_parent);
  char* space = nullptr;
  if (new_name.size() > Entry::kInlineName) {
    space = static_cast<char*>(mem::Allocate(new_name.size()));
    if (space == nullptr) {
      return;
    }
  }
  const char* old_name = nullptr;
  std::size_t old_size = 0;
  {
    machine::SpinGuard guard(shape_lock_);
    if (entry.name_ != entry.inline_name_) {
      old_name = entry.name_;
      old_size = entry.name_size_;
    }
    char* to = space != nullptr ? space : entry.inline_name_;
    std::memcpy(to, new_name.data(), new_name.size());
    entry.name_ = to;
    entry.name_size_ = static_cast<std::uint32_t>(new_name.size());
    std::swap(entry.parent_, parent);
  }
  if (old_name != nullptr) {
    mem::Free(const_cast<char*>(old_name), old_size);
  }
  if (was_hashed) {
    Bucket& bucket = BucketOf(&new_parent, new_name);
    machine::SpinGuard guard(bucket.lock);
    bucket.chain.PushFront(&entry);
    entry.hashed_ = true;
  }
}

RefPtr<Entry> EntryTable::Parent(const Entry& entry) {
  machine::SpinGuard guard(shape_lock_);
  const Entry* at = &entry;
  while (!at->parent_ && at->covers() != nullptr) {
    at = at->covers();
  }
  return at->parent_ ? at->parent_ : RefPtr<Entry>(const_cast<Entry*>(at));
}

bool EntryTable::IsBelow(const Entry& entry, const Entry& ancestor) {
  machine::SpinGuard guard(shape_lock_);
  for (const Entry* at = &entry; at != nullptr;
       at = at->parent_ ? at->parent_.get() : at->covers()) {
    if (at == &ancestor) {
      return true;
    }
  }
  return false;
}

Result<std::size_t> EntryTable::Path(Entry& entry, std::span<char> text) {
  // Written from the end backwards, then moved to the front.
  std::size_t at = text.size();
  machine::SpinGuard guard(shape_lock_);
  for (const Entry* step = &entry;;) {
    if (!step->parent_) {
      if (step->covers() == nullptr) {
        break;
      }
      step = step->covers();
      continue;
    }
    if (!step->hashed_ && step == &entry &&
        step->file_system_.caching() != FileSystem::Caching::kNever) {
      return Status::kNotFound;
    }
    const std::string_view name = step->name();
    if (at < name.size() + 1) {
      return Status::kOutOfRange;
    }
    at -= name.size();
    std::memcpy(text.data() + at, name.data(), name.size());
    text[--at] = '/';
    step = step->parent_.get();
  }
  if (at == text.size()) {
    if (at == 0) {
      return Status::kOutOfRange;
    }
    text[--at] = '/';
  }
  const std::size_t size = text.size() - at;
  std::memmove(text.data(), text.data() + at, size);
  return size;
}

}  // namespace k42::fs
