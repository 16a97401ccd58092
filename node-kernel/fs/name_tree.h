// NameTree: the one tree of names of a node. Walks paths, checks permissions, changes directories,
// keeps the mounts. Knows nothing of handles and user memory: name_space.h puts the interface on
// it.
//
// A *place* is where a relative path starts: an entry, or null for the root.
// Errors follow one order: a missing or forbidden directory on the way, then what the last name is.
#pragma once

#include <string_view>

#include "fs/entry.h"
#include "fs/identity.h"
#include "fs/node.h"

namespace k42::fs {

// Where a path ended.
struct WalkEnd {
  RefPtr<Entry> parent;  // directory of the last name; null if the path had none ("/", "..")
  RefPtr<Entry> entry;   // what is there; null or negative: nothing
  char name[kNameMax];   // the last name
  std::size_t name_size = 0;
  bool slash = false;  // the path asked for a directory: "name/"

  std::string_view last_name() const { return {name, name_size}; }
  bool found() const { return entry && !entry->negative(); }
};

struct Mount {
  FileSystem* file_system;
  RefPtr<Entry> root;
  std::uint32_t number;
};

class NameTree {
 public:
  static constexpr std::size_t kMaxMounts = 64;
  static constexpr int kMaxLinksFollowed = 40;
  // Of Walk, besides kWalk...: the last component is a name to be made or changed. It is not
  // followed, and a slash behind it is not judged.
  static constexpr std::uint32_t kWalkLastName = 1u << 31;

  NameTree() = default;
  NameTree(const NameTree&) = delete;
  NameTree& operator=(const NameTree&) = delete;

  // The first one becomes the root; later ones cover a directory of those before, or a file if
  // their own root is one. A file may also be mounted where its directory has no such name.
  // `path` must be absolute. By boot/, before programs run.
  Status MountAt(std::string_view path, FileSystem& file_system);
  std::size_t mount_count() const { return mount_count_.load(std::memory_order_acquire); }
  const Mount& mount(std::size_t index) const { return mounts_[index]; }
  Result<std::size_t> MountPath(std::size_t index, std::span<char> text);

  // `walk`: kWalkNoFollow, kWalkEmptyPath.
  Status Walk(Entry* place, std::string_view path, std::uint32_t walk, const Identity& who,
              WalkEnd* end);
  // The same; kNotFound if nothing is there. The reference passes to the caller.
  Result<Entry*> Find(Entry* place, std::string_view path, std::uint32_t walk, const Identity& who);

  Result<cobj::Granted<IOpenFile>> Open(const cobj::CallContext& caller, Entry* place,
                                        std::string_view path, std::uint32_t flags,
                                        std::uint32_t mode, const Identity& who);
  Status GetAttributes(Entry& entry, FileAttributes* attributes);
  Status SetAttributes(Entry& entry, const AttributeChange& change, const Identity& who);
  // Regular files, fifos, socket names, directories and (with `link_text`) symbolic links. The new
  // entry, with a reference.
  Result<Entry*> Make(Entry* place, std::string_view path, FileKind kind, std::uint32_t mode,
                      std::string_view link_text, const Identity& who);
  Status Remove(Entry* place, std::string_view path, bool directory, const Identity& who);
  Status Rename(Entry* old_place, std::string_view old_path, Entry* new_place,
                std::string_view new_path, std::uint32_t flags, const Identity& who);
  Status Link(Entry* old_place, std::string_view old_path, std::uint32_t walk, Entry* new_place,
              std::string_view new_path, const Identity& who);

  // Whether `flags` may be had of what exists.
  static Status CheckOpen(const Entry& entry, std::uint32_t flags, const Identity& who);

  EntryTable& entries() { return entries_; }
  Entry& root() { return *mounts_[0].root; }

 private:
  friend class Walker;
  RefPtr<Entry> Top(RefPtr<Entry> entry);
  Status Child(Entry& parent, std::string_view name, RefPtr<Entry>* child);
  Result<Entry*> NameNothing(const WalkEnd& end, FileSystem& file_system);
  Result<Entry*> MakeAt(const WalkEnd& end, const NewNode& what, const Identity& who);
  Status ReadyToMake(const WalkEnd& end, const Identity& who);
  Status ReadyToRemove(const WalkEnd& end, const Identity& who);
  // False: both are names of one file, and nothing has changed.
  Result<bool> RenameLocked(const WalkEnd& from, const WalkEnd& to, std::uint32_t flags,
                            const Identity& who) K42_REQUIRES(rename_lock_);
  Result<cobj::Granted<IOpenFile>> OpenEntry(const cobj::CallContext& caller, RefPtr<Entry> entry,
                                             std::uint32_t flags, const Identity& who);

  EntryTable entries_;
  machine::Mutex<LockRank::kNameSpace> rename_lock_;  // one rename between directories at a time
  Mount mounts_[kMaxMounts];
  std::atomic<std::size_t> mount_count_{0};
};

}  // namespace k42::fs
