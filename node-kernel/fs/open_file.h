// OpenFile: an opening of a regular file or directory, or (kOpenPathOnly) of a mere name.
//
// Locking: position_lock_ is held across Read, Write and ReadDirectory, so that two threads that
// read through one opening get different bytes. ReadAt and WriteAt do not take it.
#pragma once

#include "fs/entry.h"
#include "fs/file_leases.h"
#include "fs/node.h"
#include "fs/open_file_base.h"
#include "machine/mutex.h"

namespace k42::fs {

class OpenFile final : public OpenFileBase<IOpenFile> {
 public:
  static Result<cobj::Granted<IOpenFile>> Make(const OpenRequest& request, Node& node);
  OpenFile(RefPtr<Entry> entry, RefPtr<Node> node, std::uint32_t flags)
      : OpenFileBase(flags), entry_(std::move(entry)), node_(std::move(node)) {}

  // Files never make anybody wait for readiness: readable and writable, always.
  Result<std::uint64_t> PollState() override;
  Status Arm(std::uint32_t mask, std::uint64_t since, cobj::Ticket ready) override;
  Status Disarm(const cobj::CallContext& caller, std::uint32_t number) override;

  Result<std::uint64_t> Read(const cobj::CallContext& caller, BufferOut data) override;
  Result<std::uint64_t> Write(const cobj::CallContext& caller, BufferIn data) override;
  Result<std::uint64_t> ReadAt(const cobj::CallContext& caller, std::uint64_t offset,
                               BufferOut data) override;
  Result<std::uint64_t> WriteAt(const cobj::CallContext& caller, std::uint64_t offset,
                                BufferIn data) override;
  Result<std::uint64_t> Seek(std::int64_t offset, SeekFrom from) override;
  Result<std::uint64_t> ReadDirectory(const cobj::CallContext& caller, BufferOut records) override;
  Status GetAttributes(FileAttributes& attributes) override;
  Status SetAttributes(const cobj::CallContext& caller, const AttributeChange& change) override;
  Status GetFileSystem(FileSystemInfo& info) override;
  Result<FileKind> Kind() override { return node_->kind(); }
  Status Allocate(const cobj::CallContext& caller, AllocateMode mode, std::uint64_t offset,
                  std::uint64_t length) override;
  Status Sync(bool data_only) override;
  Status LockRange(const cobj::CallContext& caller, const RangeLock& lock, bool wait) override;
  Status QueryLock(const cobj::CallContext& caller, const RangeLock& lock,
                   RangeLock& found) override;
  Status LockWhole(const cobj::CallContext& caller, LockKind kind, bool wait) override;
  Status DropProcessLocks(const cobj::CallContext& caller) override;
  Result<cobj::Granted<mem::IMemoryObject>> Memory(const cobj::CallContext& caller) override;
  Result<std::uint64_t> Control(const cobj::CallContext& caller, std::uint32_t operation,
                                BufferIn input, BufferOut output) override;
  Result<Entry*> TakeEntry() override;
  Status UseSlot(const cobj::CallContext& caller, SlotMemory& memory, std::uint32_t slot,
                 std::uint32_t transfers) override;
  Status SetFlags(std::uint32_t flags) override;

 private:
  void Closed() override;
  Status NeedsData() const;
  // Those who watch the file, or its directory.
  void Tell(std::uint32_t what);
  Result<std::uint64_t> WriteBytes(const cobj::CallContext& caller, std::uint64_t offset,
                                   BufferIn data, bool append, std::uint64_t* end);
  // Before position_ is used here: what the process that held the file has made of it.
  void PickUpPosition() K42_REQUIRES(position_lock_);
  Status ListDirectory(std::uint64_t position, class DirectoryWriter& writer);

  const RefPtr<Entry> entry_;
  const RefPtr<Node> node_;
  machine::Mutex<LockRank::kPosition> position_lock_;
  std::uint64_t position_ K42_GUARDED_BY(position_lock_) = 0;
  FileLease lease_;
};

}  // namespace k42::fs
