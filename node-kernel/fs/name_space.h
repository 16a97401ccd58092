// NameSpace: the interface of fs/name_space.idl over a NameTree: copies paths and credentials in,
// finds the places that handles stand for, and copies results out.
#pragma once

#include "cobj/make.h"
#include "fs/memory_fs.h"
#include "fs/name_space.idl.h"
#include "fs/name_tree.h"
#include "fs/slot_memory.h"

namespace k42::fs {

class NameSpace final : public INameSpace {
 public:
  using Interface = INameSpace;
  using Directory = cobj::Ref<IOpenFile>;
  using Caller = const cobj::CallContext&;

  // `unnamed`: where files without a name live. `slots`: memory for processes' file slots; null:
  // they get none.
  NameSpace(NameTree& tree, MemoryFileSystem& unnamed, mem::MemoryServices* slots, FileKinds kinds)
      : tree_(tree), unnamed_(unnamed), slots_(slots), kinds_(kinds) {}
  void SetSelf(cobj::Ref<INameSpace> self) { self_ = self; }

  Result<cobj::Granted<IOpenFile>> Open(Caller caller, Directory directory, BufferIn path,
                                        std::uint32_t flags, std::uint32_t mode) override;
  Status GetAttributes(Caller caller, Directory directory, BufferIn path, std::uint32_t walk,
                       FileAttributes& attributes) override;
  Status SetAttributes(Caller caller, Directory directory, BufferIn path, std::uint32_t walk,
                       const AttributeChange& change) override;
  Status CheckAccess(Caller caller, Directory directory, BufferIn path, std::uint32_t walk,
                     std::uint32_t access) override;
  Status MakeDirectory(Caller caller, Directory directory, BufferIn path,
                       std::uint32_t mode) override;
  Status MakeNode(Caller caller, Directory directory, BufferIn path, FileKind kind,
                  std::uint32_t mode) override;
  Status Remove(Caller caller, Directory directory, BufferIn path, std::uint32_t flags) override;
  Status Rename(Caller caller, Directory old_directory, Directory new_directory, BufferIn paths,
                std::uint32_t flags) override;
  Status Link(Caller caller, Directory old_directory, Directory new_directory, BufferIn paths,
              std::uint32_t walk) override;
  Status MakeSymbolicLink(Caller caller, Directory directory, BufferIn paths) override;
  Result<std::uint64_t> ReadLink(Caller caller, Directory directory, BufferIn path,
                                 BufferOut text) override;
  Status GetFileSystem(Caller caller, Directory directory, BufferIn path,
                       FileSystemInfo& info) override;
  Status CheckAgain(Caller caller, Directory directory, BufferIn path, cobj::Ref<IOpenFile> file,
                    std::uint32_t flags) override;
  Result<std::uint64_t> GetPath(cobj::Ref<IOpenFile> file, BufferOut path) override;
  Result<cobj::Granted<IOpenFile>> MakeUnnamed(Caller caller, std::uint32_t flags) override;
  Result<cobj::Granted<IFileWatcher>> MakeFileWatcher(Caller caller, std::uint32_t flags) override;
  Result<cobj::Granted<IFileSlots>> MakeFileSlots(Caller caller) override;

 private:
  NameTree& tree_;
  MemoryFileSystem& unnamed_;
  mem::MemoryServices* const slots_;
  const FileKinds kinds_;
  cobj::Ref<INameSpace> self_;
};

}  // namespace k42::fs
