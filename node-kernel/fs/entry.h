// Entry: one name in the tree, as far as anybody has looked it up: (parent, name) -> node.
//
// States:  positive (node), negative (no such name; only where FileSystem::caching is kAlways);
//          hashed (findable) or not (removed, replaced, or of a file system that caches nothing).
// An entry holds its parent; parents find children through the table, which holds no reference
// (an entry nobody uses leaves it), except for kept ones: the table holds the youngest of those
// whose file system allows it (FileSystem::Caching), until their name is forgotten.
//
// Locking: parent and name of a hashed entry change only in Move, under the table's shape lock, a
// blocking one, since a path is as long as programs like; readers of both (paths, "..") take it.
// Each bucket has a spin lock for its chain. All are leaves: nothing is called with them held;
// references are dropped after.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/intrusive_list.h"
#include "base/ref_counted.h"
#include "fs/file.types.h"
#include "fs/node.h"
#include "machine/mutex.h"
#include "machine/spin_lock.h"

namespace k42::fs {

class EntryTable;

class Entry final : public RefCounted, public ListLink<>, public ListLink<struct KeptEntry> {
 public:
  Node* node() const { return node_.get(); }
  bool negative() const { return !node_; }
  FileSystem& file_system() const { return file_system_; }
  // What is mounted here: the root entry of another file system, or null. Set once.
  Entry* mounted() const { return mounted_.load(std::memory_order_acquire); }
  // For the root entry of a mounted file system: what it covers.
  Entry* covers() const { return covers_.load(std::memory_order_acquire); }
  std::uint32_t mount_number() const { return mount_number_; }
  // The directory it is, or was, in, and its name there. Null: the root of a file system.
  RefPtr<Entry> Place(char (&name)[kNameMax], std::size_t* size);

 private:
  friend class EntryTable;
  friend class NameTree;
  static constexpr std::size_t kInlineName = 40;

 public:
  Entry(EntryTable& table, FileSystem& file_system, RefPtr<Entry> parent, RefPtr<Node> node)
      : table_(table),
        file_system_(file_system),
        parent_(std::move(parent)),
        node_(std::move(node)),
        mount_number_(parent_ ? parent_->mount_number_ : 0) {}
  ~Entry();

 private:
  void Dispose() override;
  std::string_view name() const { return {name_, name_size_}; }
  Status SetName(std::string_view name);
  void FreeName();

  EntryTable& table_;
  FileSystem& file_system_;
  RefPtr<Entry> parent_;  // shape lock
  const RefPtr<Node> node_;
  const char* name_ = nullptr;  // shape lock
  std::uint32_t name_size_ = 0;
  std::uint32_t mount_number_;
  bool hashed_ = false;  // bucket lock
  bool kept_ = false;    // kept lock: the table holds a reference
  char inline_name_[kInlineName];
  std::atomic<Entry*> mounted_{nullptr};
  std::atomic<Entry*> covers_{nullptr};
};

class EntryTable {
 public:
  EntryTable() = default;
  EntryTable(const EntryTable&) = delete;
  ~EntryTable();

  // The entry if somebody has looked before, or null.
  RefPtr<Entry> Find(const Entry& parent, std::string_view name);

  // The entry for what a Lookup found (`node` null: nothing). If somebody was faster and found the
  // same, theirs. `hashed` false: nobody will find it.
  Result<Entry*> Add(Entry& parent, std::string_view name, RefPtr<Node> node, bool hashed);
  // The root of a file system.
  Result<Entry*> MakeRoot(FileSystem& file_system, std::uint32_t mount_number);

  // The name is gone, or stands for something else now.
  void Forget(Entry& entry);
  void Forget(const Entry& parent, std::string_view name);
  // The name has moved. Failing to remember the new name only unhashes the entry.
  void Move(Entry& entry, Entry& new_parent, std::string_view new_name);

  // The names of two entries have been exchanged.
  void Exchange(Entry& one, Entry& other);

  // `..`: the parent, through mounts; the root's is itself.
  RefPtr<Entry> Parent(const Entry& entry);
  bool IsBelow(const Entry& entry, const Entry& ancestor);

  // Some name of a file of `device`, as far as it is remembered here: walks the whole table. Null:
  // none is.
  RefPtr<Entry> FindNode(std::uint64_t device, std::uint64_t node);

  // Takes all leases back of the files whose names are remembered here: of all that are open.
  void EndLeases();

  // Absolute path of `entry` into `text`, or kOutOfRange. kNotFound: its name was removed.
  Result<std::size_t> Path(Entry& entry, std::span<char> text);

 private:
  friend class Entry;
  static constexpr std::size_t kBuckets = 1024;
  static constexpr std::size_t kKept = 4096;

  struct Bucket {
    machine::SpinLock<LockRank::kNameTable> lock;
    IntrusiveList<Entry> chain K42_GUARDED_BY(lock);
  };
  Bucket& BucketOf(const Entry* parent, std::string_view name);
  bool Unhash(Entry& entry);
  void Hash(Entry& entry);
  // Puts a new entry into its bucket; or the one that says the same, with a reference, if it is
  // there.
  Entry* HashOrFindSame(Entry& made);
  void Keep(Entry& entry);
  void StopKeeping(Entry& entry);
  RefPtr<Entry> TakeKeptLocked(Entry& entry) K42_REQUIRES(kept_lock_);

  Bucket buckets_[kBuckets];
  machine::Mutex<LockRank::kEntryShape> shape_lock_;  // every entry's parent and name
  machine::SpinLock<LockRank::kKeptNames> kept_lock_;
  IntrusiveList<Entry, KeptEntry> kept_ K42_GUARDED_BY(kept_lock_);  // oldest first
  std::size_t kept_count_ K42_GUARDED_BY(kept_lock_) = 0;
};

}  // namespace k42::fs
