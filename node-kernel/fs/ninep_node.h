// One file on a 9P server.
//
// fid_ names the file for walking and attributes and is never opened. It is the node's for life;
// only the root of a served tree gets another with each server (Renew). Opened copies are made at
// the first open that needs them and kept in pages_: many opens share one. A regular file has a
// page cache from its first open on; writes go to the server at once and pass the cache. Locking:
// state_lock_ (a leaf) guards the kept attributes; open_lock_ (blocking) serializes the making of
// opened fids. contents_gate_: a write, or an append or a change of the size, which are several
// requests each, from the first to the last. refresh_lock_ (blocking), inside it: attributes are
// kept in the order in which the server gave them.
#pragma once

#include "base/intrusive_list.h"
#include "fs/ninep_message.h"
#include "fs/node.h"
#include "io/fifo.h"
#include "machine/mutex.h"
#include "machine/spin_lock.h"
#include "mem/size_gate.h"

namespace k42::mem {
class FcmFile;
}

namespace k42::fs {

class NinePFileSystem;
class NinePPages;

class NinePNode final : public Node, public ListLink<> {
 public:
  NinePNode(NinePFileSystem& file_system, std::uint32_t fid, const ninep::Attributes& attributes);
  ~NinePNode();

  Status GetAttributes(FileAttributes* attributes) override;
  Status SetAttributes(const AttributeChange& change) override;
  Result<Node*> Lookup(std::string_view name) override;
  Result<Node*> MakeNode(std::string_view name, const NewNode& what) override;
  Status AddLink(std::string_view name, Node& existing) override;
  Status RemoveName(std::string_view name, Node& victim) override;
  Status RenameTo(std::string_view old_name, Node& what, Node& new_directory,
                  std::string_view new_name, Node* replaced, bool exchange) override;
  Status ReadDirectory(std::uint64_t cookie, DirectoryWriter& writer) override;
  Result<std::size_t> ReadLink(const Identity& who, std::span<char> text) override;
  Result<std::uint64_t> Read(std::uint64_t offset, BufferOut data) override;
  Result<std::uint64_t> Write(std::uint64_t offset, BufferIn data, bool append,
                              std::uint64_t* end) override;
  Status Allocate(AllocateMode mode, std::uint64_t offset, std::uint64_t length) override;
  Result<std::uint64_t> Size() override;
  Status Sync(bool data_only) override;
  Result<cobj::Granted<mem::IMemoryObject>> Memory(std::uint32_t rights) override;
  Status Opened(std::uint32_t flags) override;
  Result<cobj::Granted<IOpenFile>> Open(const OpenRequest& request) override;

  // The root, for a new server.
  void Renew(std::uint32_t fid);

  NinePFileSystem& remote() const;
  std::uint32_t fid() const { return fid_.load(std::memory_order_acquire); }
  std::uint64_t path() const { return number(); }
  // An opened fid for reading or writing. Waits at first use.
  Result<std::uint32_t> OpenFid(bool write);
  std::uint64_t KnownSize();

 private:
  friend class NinePFileSystem;
  void Dispose() override;
  Status Refresh();
  Status SendAttributes(const AttributeChange& change);
  // True if the contents are not what they were.
  bool Keep(const FileAttributes& values);
  // What a lookup says of a file that is known. Its size and times are not taken: the next Refresh
  // has to see that they changed, and they may be older than what the last one kept.
  void KeepOwnership(const FileAttributes& values);
  void KeepWritten(std::uint64_t end);
  Result<NinePPages*> PagesLocked() K42_REQUIRES(open_lock_);
  Result<std::uint64_t> WriteSome(std::uint64_t offset, BufferIn data);

  std::atomic<std::uint32_t> fid_;
  machine::Mutex<LockRank::kFile> open_lock_;
  mem::SizeGate contents_gate_;
  machine::Mutex<LockRank::kFile> refresh_lock_;  // never together with open_lock_
  RefPtr<io::Fifo> fifo_ K42_GUARDED_BY(open_lock_);
  std::atomic<NinePPages*> pages_{nullptr};
  std::atomic<mem::FcmFile*> cache_{nullptr};
  machine::SpinLock<LockRank::kNode> state_lock_;
  FileAttributes attributes_ K42_GUARDED_BY(state_lock_);
};

}  // namespace k42::fs
