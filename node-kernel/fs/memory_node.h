// MemoryNode: what all files of a memory file system share: attributes and the count of names.
//
// Life: one reference per name and per user. The names' references are the directory's; a file
// whose last name goes stays as long as somebody has it open.
// Locking: attributes_lock_ guards times, links and changes of ownership; it is a leaf.
#pragma once

#include "fs/clock.h"
#include "fs/node.h"
#include "machine/spin_lock.h"

namespace k42::fs {

class MemoryFileSystem;

class MemoryNode : public Node {
 public:
  Status GetAttributes(FileAttributes* attributes) override;
  Status SetAttributes(const AttributeChange& change) override;

  std::uint32_t links();
  // One name more or less; the change time moves.
  void CountLink(int delta);
  void TouchModified();
  // As somebody says who may write the file: not before its last change, nor after now.
  void TouchModifiedAt(std::int64_t ns);
  void TouchChanged();
  void TouchAccessed();

 protected:
  MemoryNode(MemoryFileSystem& file_system, FileKind kind, std::uint64_t number,
             const Ownership& owned);
  ~MemoryNode();
  MemoryFileSystem& memory_file_system() const;
  // Kind-specific: size and allocated bytes.
  virtual void FillSize(FileAttributes* attributes) const = 0;
  virtual Status Resize(std::uint64_t size);

 private:
  machine::SpinLock<LockRank::kNode> attributes_lock_;
  std::uint32_t links_ K42_GUARDED_BY(attributes_lock_) = 0;
  std::int64_t access_ns_ K42_GUARDED_BY(attributes_lock_);
  std::int64_t modify_ns_ K42_GUARDED_BY(attributes_lock_);
  std::int64_t change_ns_ K42_GUARDED_BY(attributes_lock_);
  const std::int64_t birth_ns_;
};

}  // namespace k42::fs
