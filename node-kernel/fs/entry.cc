#include "fs/entry.h"

#include <cstring>

#include "base/byte_search.h"
#include "mem/heap.h"

namespace k42::fs {

namespace {

constexpr machine::HoldReason kChain{1500, "the names of one bucket are compared"};

}  // namespace

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
  while (true) {
    RefPtr<Entry> oldest;  // dropped after the lock
    machine::SpinGuard guard(kept_lock_);
    if (kept_.empty()) {
      return;
    }
    oldest = TakeKeptLocked(*kept_.Front());
  }
}

EntryTable::Bucket& EntryTable::BucketOf(const Entry* parent, std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325 ^ reinterpret_cast<std::uintptr_t>(parent) >> 4;
  const auto* at = reinterpret_cast<const unsigned char*>(name.data());
  std::size_t left = name.size();
  for (; left >= sizeof(hash); left -= sizeof(hash), at += sizeof(hash)) {
    hash = (hash ^ LoadWord(at)) * 0x100000001b3;
    hash ^= hash >> 32;
  }
  std::uint64_t last = left;
  for (; left != 0; --left, ++at) {
    last = last << 8 | *at;
  }
  hash = (hash ^ last) * 0x9e3779b97f4a7c15;
  return buckets_[(hash ^ hash >> 32) % kBuckets];
}

RefPtr<Entry> EntryTable::Find(const Entry& parent, std::string_view name) {
  Bucket& bucket = BucketOf(&parent, name);
  machine::SpinGuard guard(bucket.lock, kChain);
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
  const FileSystem::Caching caching = parent.file_system_.caching();
  const bool keep = caching == FileSystem::Caching::kAlways ||
                    (caching == FileSystem::Caching::kFound && !made->negative());
  if (keep) {
    Keep(*made);  // before anybody can find it, and so forget it
  }
  if (Entry* other = HashOrFindSame(*made)) {
    if (keep) {
      StopKeeping(*made);
    }
    return other;
  }
  return entry.Release();
}

Entry* EntryTable::HashOrFindSame(Entry& made) {
  Bucket& bucket = BucketOf(made.parent_.get(), made.name());
  machine::SpinGuard guard(bucket.lock, kChain);
  for (Entry& other : bucket.chain) {
    if (other.parent_ == made.parent_ && other.name() == made.name() && other.node_ == made.node_ &&
        other.TryAddReference()) {
      return &other;
    }
  }
  bucket.chain.PushFront(&made);
  made.hashed_ = true;
  return nullptr;
}

Result<Entry*> EntryTable::MakeRoot(FileSystem& file_system, std::uint32_t mount_number) {
  Entry* root =
      TRY(mem::New<Entry>(*this, file_system, RefPtr<Entry>(), RefPtr<Node>(&file_system.Root())));
  root->mount_number_ = mount_number;
  return root;
}

void EntryTable::Keep(Entry& entry) {
  RefPtr<Entry> displaced;  // dropped after the lock
  machine::SpinGuard guard(kept_lock_);
  if (kept_count_ == kKept) {
    displaced = TakeKeptLocked(*kept_.Front());
  }
  entry.AddReference();
  entry.kept_ = true;
  kept_.PushBack(&entry);
  ++kept_count_;
}

RefPtr<Entry> EntryTable::TakeKeptLocked(Entry& entry) {
  IntrusiveList<Entry, KeptEntry>::Remove(&entry);
  entry.kept_ = false;
  --kept_count_;
  return RefPtr<Entry>::Adopt(&entry);
}

// What has no name any more must not keep its file's memory.
void EntryTable::StopKeeping(Entry& entry) {
  RefPtr<Entry> dropped;
  machine::SpinGuard guard(kept_lock_);
  if (entry.kept_) {
    dropped = TakeKeptLocked(entry);
  }
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

// Precondition: its parent and name do not change meanwhile (the file system's change lock).
void EntryTable::Hash(Entry& entry) {
  Bucket& bucket = BucketOf(entry.parent_.get(), entry.name());
  machine::SpinGuard guard(bucket.lock);
  bucket.chain.PushFront(&entry);
  entry.hashed_ = true;
}

void EntryTable::Forget(Entry& entry) {
  Unhash(entry);
  StopKeeping(entry);
}

void EntryTable::Forget(const Entry& parent, std::string_view name) {
  while (RefPtr<Entry> entry = Find(parent, name)) {
    Forget(*entry);
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
    machine::MutexGuard guard(shape_lock_);
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
    Hash(entry);
  }
}

void EntryTable::Exchange(Entry& one, Entry& other) {
  const bool one_was_hashed = Unhash(one);
  const bool other_was_hashed = Unhash(other);
  {
    machine::MutexGuard guard(shape_lock_);
    const bool one_inline = one.name_ == one.inline_name_;
    const bool other_inline = other.name_ == other.inline_name_;
    std::swap(one.inline_name_, other.inline_name_);
    std::swap(one.name_, other.name_);
    if (other_inline) {
      one.name_ = one.inline_name_;
    }
    if (one_inline) {
      other.name_ = other.inline_name_;
    }
    std::swap(one.name_size_, other.name_size_);
    std::swap(one.parent_, other.parent_);
  }
  if (one_was_hashed) {
    Hash(one);
  }
  if (other_was_hashed) {
    Hash(other);
  }
}

RefPtr<Entry> EntryTable::Parent(const Entry& entry) {
  machine::MutexGuard guard(shape_lock_);
  const Entry* at = &entry;
  while (!at->parent_ && at->covers() != nullptr) {
    at = at->covers();
  }
  return at->parent_ ? at->parent_ : RefPtr<Entry>(const_cast<Entry*>(at));
}

RefPtr<Entry> Entry::Place(char (&name)[kNameMax], std::size_t* size) {
  machine::MutexGuard guard(table_.shape_lock_);
  *size = name_size_;
  std::memcpy(name, name_, name_size_);
  return parent_;
}

void EntryTable::EndLeases() {
  constexpr std::size_t kAtATime = 32;
  for (Bucket& bucket : buckets_) {
    for (std::size_t done = 0, found = kAtATime; found == kAtATime; done += found) {
      RefPtr<Entry> entries[kAtATime];  // dropped after the lock
      found = 0;
      {
        machine::SpinGuard guard(bucket.lock, kChain);
        std::size_t at = 0;
        for (Entry& entry : bucket.chain) {
          if (at++ >= done && found < kAtATime && entry.TryAddReference()) {
            entries[found++] = RefPtr<Entry>::Adopt(&entry);
          }
        }
      }
      for (std::size_t i = 0; i < found; ++i) {
        if (Node* node = entries[i]->node()) {
          node->EndLeases();
        }
      }
    }
  }
}

bool EntryTable::IsBelow(const Entry& entry, const Entry& ancestor) {
  machine::MutexGuard guard(shape_lock_);
  for (const Entry* at = &entry; at != nullptr;
       at = at->parent_ ? at->parent_.get() : at->covers()) {
    if (at == &ancestor) {
      return true;
    }
  }
  return false;
}

RefPtr<Entry> EntryTable::FindNode(std::uint64_t device, std::uint64_t node) {
  for (Bucket& bucket : buckets_) {
    machine::SpinGuard guard(bucket.lock, kChain);
    for (Entry& entry : bucket.chain) {
      if (entry.node_ && entry.node_->number() == node && entry.file_system_.device() == device &&
          entry.TryAddReference()) {
        return RefPtr<Entry>::Adopt(&entry);
      }
    }
  }
  return nullptr;
}

Result<std::size_t> EntryTable::Path(Entry& entry, std::span<char> text) {
  // Written from the end backwards, then moved to the front.
  std::size_t at = text.size();
  machine::MutexGuard guard(shape_lock_);
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
