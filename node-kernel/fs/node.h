// Node: one file of one file system, whatever its names are. Here is what every file system
// implements; names, permissions, mounts and open files are the name tree's business (name_tree.h).
//
// Life: counted references (entries, open files, the file system's own tables). The last one lets
// the file system forget the file.
//
// Rules for implementations
//  - Permission has been checked by the caller, also that names are legal and kinds fit.
//  - Calls that change a directory come one at a time per file system (FileSystem::change_lock);
//    all others come from any CPU at any time.
//  - A call that would have to wait for something outside this node's CPUs begins with
//    TRY(cobj::MayBlock()), before any effect.
//  - Functions returning Node* return one reference with it.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/buffer.h"
#include "base/ref_counted.h"
#include "cobj/ref.h"
#include "fs/file.types.h"
#include "fs/identity.h"
#include "fs/open_file.idl.h"
#include "machine/mutex.h"

namespace k42::io {
class SocketName;
}

namespace k42::fs {

class DirectoryWriter;
class Entry;
class FileLease;
class FileLocks;
class FileSystem;
class NodeWatches;
class SlotMemory;

// What opening needs to know, besides the node.
struct OpenRequest {
  const cobj::CallContext& caller;
  const Identity& who;
  RefPtr<Entry> entry;  // the name it was opened by
  std::uint32_t flags;  // kOpen...
};

// What an opening's lease is asked for with (file_leases.h).
struct LeaseRequest {
  SlotMemory& memory;
  std::uint32_t slot;
  std::uint32_t flags;      // the opening's
  std::uint32_t transfers;  // of it that the kernel has served already
  std::uint64_t position;
  std::uint64_t size_limit = ~std::uint64_t{0};  // of the files that the process writes
};

// What MakeNode of a directory is asked for.
struct NewNode {
  FileKind kind;
  std::uint32_t mode;
  std::uint32_t user;
  std::uint32_t group;
  std::string_view link_text;  // symbolic links
};

class Node : public RefCounted {
 public:
  FileSystem& file_system() const { return file_system_; }
  FileKind kind() const { return kind_; }
  std::uint64_t number() const { return number_; }
  // A look without a lock: the three words may be of different moments.
  Ownership ownership() const {
    return {mode_.load(std::memory_order_relaxed), user_.load(std::memory_order_relaxed),
            group_.load(std::memory_order_relaxed)};
  }
  // What an open file may keep instead of asking again; remote files ask.
  virtual Status GetAttributes(FileAttributes* attributes) = 0;
  virtual Status SetAttributes(const AttributeChange& change);

  // -- directories ------------------------------------------------------------------------------
  virtual Result<Node*> Lookup(std::string_view name);
  virtual Result<Node*> MakeNode(std::string_view name, const NewNode& what);
  virtual Status AddLink(std::string_view name, Node& existing);
  virtual Status RemoveName(std::string_view name, Node& victim);
  // `replaced`: what `new_name` stands for now, or null. With `exchange` both names stay.
  virtual Status RenameTo(std::string_view old_name, Node& what, Node& new_directory,
                          std::string_view new_name, Node* replaced, bool exchange);
  virtual Status ReadDirectory(std::uint64_t cookie, DirectoryWriter& writer);

  // -- symbolic links ---------------------------------------------------------------------------
  // The size of the text, which is cut to `text`.
  virtual Result<std::size_t> ReadLink(const Identity& who, std::span<char> text);
  // A link that leads to an entry rather than to a path (/proc/self/exe): one reference, or null.
  virtual Result<Entry*> FollowLink(const Identity& who);

  // -- regular files ----------------------------------------------------------------------------
  virtual Result<std::uint64_t> Read(std::uint64_t offset, BufferOut data);
  // `append`: at the end, whatever the offset; the position after it is returned in *end.
  virtual Result<std::uint64_t> Write(std::uint64_t offset, BufferIn data, bool append,
                                      std::uint64_t* end);
  virtual Status Allocate(AllocateMode mode, std::uint64_t offset, std::uint64_t length);
  virtual Result<std::uint64_t> Size();
  virtual Status Sync(bool data_only);
  virtual Result<cobj::Granted<mem::IMemoryObject>> Memory(std::uint32_t rights);
  // An open file starts using it (close-to-open consistency lives here).
  virtual Status Opened(std::uint32_t flags);

  // An opening's lease (file_leases.h). Only files that know of leases grant any.
  virtual Status GrantLease(FileLease& lease, const LeaseRequest& request);
  virtual void EndLease(FileLease&) {}
  virtual void CloseLease(FileLease&) {}
  virtual std::uint64_t TakeLeasePosition(FileLease& lease, std::uint64_t otherwise);
  // Takes all leases of it back.
  virtual void EndLeases() {}

  // Everything but regular files and directories makes its own kind of open file.
  virtual Result<cobj::Granted<IOpenFile>> Open(const OpenRequest& request);

  // A socket's name: who listens there.
  virtual io::SocketName* Name();

  // Advisory locks of this file; made at first use.
  Result<FileLocks*> Locks();
  FileLocks* LocksIfAny() const { return locks_.load(std::memory_order_acquire); }
  // Who is told what happens to it (file_watch.h); made at first use.
  Result<NodeWatches*> Watches();
  NodeWatches* WatchesIfAny() const { return watches_.load(std::memory_order_acquire); }

 protected:
  Node(FileSystem& file_system, FileKind kind, std::uint64_t number, const Ownership& owned)
      : file_system_(file_system), kind_(kind), number_(number) {
    SetOwnership(owned);
  }
  ~Node();
  void SetOwnership(const Ownership& owned) {
    mode_.store(owned.mode, std::memory_order_relaxed);
    user_.store(owned.user, std::memory_order_relaxed);
    group_.store(owned.group, std::memory_order_relaxed);
  }

 private:
  FileSystem& file_system_;
  const FileKind kind_;
  const std::uint64_t number_;
  std::atomic<std::uint32_t> mode_{0};
  std::atomic<std::uint32_t> user_{0};
  std::atomic<std::uint32_t> group_{0};
  std::atomic<FileLocks*> locks_{nullptr};
  std::atomic<NodeWatches*> watches_{nullptr};
};

// One file system instance. Lives for ever once mounted (first version: no unmount).
class FileSystem {
 public:
  // How the name tree may remember what Lookup said.
  enum class Caching : std::uint8_t {
    kNever,   // others change it behind our back: ask each time
    kInUse,   // while somebody uses the entry; asking again is cheap
    kFound,   // keep entries of names that exist: all changes come through the tree
    kAlways,  // keep entries, also for names that do not exist
  };

  virtual Node& Root() = 0;
  virtual Status GetInfo(FileSystemInfo* info) = 0;
  // The word in the third column of a mount list.
  virtual std::string_view TypeName() const = 0;

  Caching caching() const { return caching_; }
  // A node exists as long as its file, not only while it is used.
  bool keeps_nodes() const { return caching_ == Caching::kFound; }
  bool read_only() const { return read_only_; }
  std::uint64_t device() const { return device_; }

  // Held across each change of names, and never while another is.
  machine::Mutex<LockRank::kDirectory>& change_lock() { return change_lock_; }
  // Counts changes: a Lookup that ran while it moved may be out of date.
  std::uint64_t changes() const { return changes_.load(std::memory_order_acquire); }
  void NoteChange() { changes_.fetch_add(1, std::memory_order_acq_rel); }

 protected:
  FileSystem(Caching caching, bool read_only, std::uint64_t device)
      : caching_(caching), read_only_(read_only), device_(device) {}
  ~FileSystem() = default;

 private:
  const Caching caching_;
  const bool read_only_;
  const std::uint64_t device_;
  machine::Mutex<LockRank::kDirectory> change_lock_;  // one change of names at a time
  std::atomic<std::uint64_t> changes_{0};
};

}  // namespace k42::fs
