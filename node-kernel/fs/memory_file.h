// The kinds of file a memory file system has besides directories.
#pragma once

#include "fs/file_data.h"
#include "fs/file_leases.h"
#include "fs/memory_node.h"
#include "io/fifo.h"
#include "io/socket_name.h"
#include "mem/heap.h"

namespace k42::fs {

class MemoryFile final : public MemoryNode {
 public:
  // Takes `data` over.
  MemoryFile(MemoryFileSystem& file_system, std::uint64_t number, const Ownership& owned,
             FileData& data)
      : MemoryNode(file_system, FileKind::kRegular, number, owned),
        data_(data),
        leases_(*this, data) {}
  ~MemoryFile() { data_.Dispose(); }

  Result<std::uint64_t> Read(std::uint64_t offset, BufferOut data) override;
  Result<std::uint64_t> Write(std::uint64_t offset, BufferIn data, bool append,
                              std::uint64_t* end) override;
  Status Allocate(AllocateMode mode, std::uint64_t offset, std::uint64_t length) override;
  Result<std::uint64_t> Size() override;
  Status Sync(bool) override { return Status::kOk; }
  Result<cobj::Granted<mem::IMemoryObject>> Memory(std::uint32_t rights) override;
  Status GetAttributes(FileAttributes* attributes) override;
  Status SetAttributes(const AttributeChange& change) override;
  Status GrantLease(FileLease& lease, const LeaseRequest& request) override {
    return leases_.Grant(lease, request);
  }
  void EndLease(FileLease& lease) override { leases_.End(lease); }
  void EndLeases() override { leases_.EndAll(); }
  void CloseLease(FileLease& lease) override { leases_.Close(lease); }
  std::uint64_t TakeLeasePosition(FileLease& lease, std::uint64_t otherwise) override {
    return leases_.TakePosition(lease, otherwise);
  }

 private:
  void Dispose() override { mem::Delete(this); }
  void FillSize(FileAttributes* attributes) const override;
  Status Resize(std::uint64_t size) override { return data_.Resize(size); }

  FileData& data_;
  FileLeases leases_;
};

class MemoryLink final : public MemoryNode {
 public:
  // Takes `text` (of the heap) over.
  MemoryLink(MemoryFileSystem& file_system, std::uint64_t number, const Ownership& owned,
             char* text, std::size_t size)
      : MemoryNode(file_system, FileKind::kSymbolicLink, number, owned), text_(text), size_(size) {}
  ~MemoryLink() { mem::Free(text_, size_); }

  Result<std::size_t> ReadLink(const Identity& who, std::span<char> text) override;

 private:
  void Dispose() override { mem::Delete(this); }
  void FillSize(FileAttributes* attributes) const override { attributes->size = size_; }

  char* const text_;
  const std::size_t size_;
};

// A named pipe: whoever opens it meets at fifo_.
class MemoryFifo final : public MemoryNode {
 public:
  MemoryFifo(MemoryFileSystem& file_system, std::uint64_t number, const Ownership& owned,
             RefPtr<io::Fifo> fifo)
      : MemoryNode(file_system, FileKind::kFifo, number, owned), fifo_(std::move(fifo)) {}

  Result<cobj::Granted<IOpenFile>> Open(const OpenRequest& request) override;

 private:
  void Dispose() override { mem::Delete(this); }
  void FillSize(FileAttributes*) const override {}

  const RefPtr<io::Fifo> fifo_;
};

// The name of a local socket. It cannot be opened; connect() asks name() who is there.
class MemorySocket final : public MemoryNode {
 public:
  MemorySocket(MemoryFileSystem& file_system, std::uint64_t number, const Ownership& owned,
               RefPtr<io::SocketName> name)
      : MemoryNode(file_system, FileKind::kSocket, number, owned), name_(std::move(name)) {}

  io::SocketName* Name() override { return name_.get(); }

 private:
  void Dispose() override { mem::Delete(this); }
  void FillSize(FileAttributes*) const override {}

  const RefPtr<io::SocketName> name_;
};

}  // namespace k42::fs
