// A file system in this node's memory: /tmp, /run, /dev/shm and the like. Contents are gone with
// the node. Files are made of FileData (pages shared with mappings), everything else of heap.
#pragma once

#include <atomic>

#include "fs/file_data.h"
#include "fs/memory_directory.h"
#include "fs/memory_node.h"
#include "fs/node.h"

namespace k42::fs {

class MemoryFileSystem final : public FileSystem {
 public:
  static Result<MemoryFileSystem*> Make(FileDataSource& source, std::uint64_t device,
                                        std::uint32_t root_mode);
  ~MemoryFileSystem() = default;  // only after Clear()

  Node& Root() override { return *root_; }
  Status GetInfo(FileSystemInfo* info) override;
  std::string_view TypeName() const override { return "tmpfs"; }

  // A file that is in no directory yet; one reference.
  Result<MemoryNode*> MakeNode(const NewNode& what);
  void CountFile(int delta) {
    files_.fetch_add(static_cast<std::uint64_t>(delta), std::memory_order_relaxed);
  }
  // Drops the root. For tests: a mounted file system stays.
  void Clear() { root_ = nullptr; }

  MemoryFileSystem(FileDataSource& source, std::uint64_t device)
      : FileSystem(Caching::kFound, false, device), source_(source) {}

 private:
  static constexpr std::uint64_t kMaxFiles = 1 << 20;

  FileDataSource& source_;
  std::atomic<std::uint64_t> next_number_{1};
  std::atomic<std::uint64_t> files_{0};
  RefPtr<MemoryDirectory> root_;
};

}  // namespace k42::fs
