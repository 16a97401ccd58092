// A directory of a memory file system. Its names hold references to their files; a file does not
// know its directories.
//
// Locking: lock_ guards the names. Changes come one at a time (FileSystem::change_lock), so two
// directories' locks are never held at once: a rename takes one after the other, and a lookup in
// between is asked again (FileSystem::changes).
#pragma once

#include "fs/memory_node.h"
#include "fs/name_map.h"
#include "machine/mutex.h"

namespace k42::fs {

class MemoryDirectory final : public MemoryNode {
 public:
  MemoryDirectory(MemoryFileSystem& file_system, std::uint64_t number, const Ownership& owned)
      : MemoryNode(file_system, FileKind::kDirectory, number, owned) {}

  Result<Node*> Lookup(std::string_view name) override;
  Result<Node*> MakeNode(std::string_view name, const NewNode& what) override;
  Status AddLink(std::string_view name, Node& existing) override;
  Status RemoveName(std::string_view name, Node& victim) override;
  Status RenameTo(std::string_view old_name, Node& what, Node& new_directory,
                  std::string_view new_name, Node* replaced, bool exchange) override;
  Status ReadDirectory(std::uint64_t cookie, DirectoryWriter& writer) override;

  // Nothing may be added any more: its own name is gone.
  Status Close();

 private:
  void Dispose() override;
  void FillSize(FileAttributes* attributes) const override;
  Status Insert(std::string_view name, MemoryNode& node);
  // Takes the name out; its reference passes to the caller.
  Result<MemoryNode*> Take(std::string_view name);
  Status Exchange(std::string_view name, MemoryNode& other, RefPtr<MemoryNode>* before);

  mutable machine::Mutex<LockRank::kFile> lock_;
  NameMap names_ K42_GUARDED_BY(lock_);
  bool closed_ K42_GUARDED_BY(lock_) = false;
};

}  // namespace k42::fs
