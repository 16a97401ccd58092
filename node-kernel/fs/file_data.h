// FileData: the bytes of one regular file that this node keeps. The seam between a file system's
// idea of a file (names, times, owners) and the memory system's (pages, mappings).
//
// Calls come from any CPU, with no lock of the file system's held: the bytes of a write may come
// from a mapping of the same file.
#pragma once

#include <cstdint>

#include "base/buffer.h"
#include "cobj/ref.h"
#include "mem/memory_object.idl.h"

namespace k42::mem {
class FcmFile;
}

namespace k42::fs {

class FileData {
 public:
  // Bytes read: fewer than asked at the end of the file.
  virtual Result<std::uint64_t> Read(std::uint64_t offset, BufferOut data) = 0;
  // Grows the file as needed. `append`: at the end as it is then; *end: position after the bytes.
  virtual Result<std::uint64_t> Write(std::uint64_t offset, BufferIn data, bool append,
                                      std::uint64_t* end) = 0;
  // The first `bytes` of the file may be written once by WritePromised, which then finds memory,
  // until EndPromise. Nobody shortens the file meanwhile. kNoMemory, kLimitExceeded.
  virtual Status Promise(std::uint64_t bytes) = 0;
  virtual void EndPromise(std::uint64_t bytes) = 0;
  virtual Result<std::uint64_t> WritePromised(std::uint64_t offset, BufferIn data) = 0;
  virtual std::uint64_t Size() const = 0;
  virtual std::uint64_t Allocated() const = 0;
  virtual Status Resize(std::uint64_t size) = 0;
  // To at least `size`, whatever others write meanwhile.
  virtual Status GrowTo(std::uint64_t size) = 0;
  // The bytes read as zero afterwards; the size stays.
  virtual Status Clear(std::uint64_t offset, std::uint64_t length) = 0;
  virtual Result<cobj::Granted<mem::IMemoryObject>> Memory(std::uint32_t rights) = 0;
  // The page cache that holds all bytes there are, none of which it ever drops by itself; null:
  // there is none.
  virtual mem::FcmFile* Pages() { return nullptr; }
  // Somebody has, or may get, the bytes as memory: they can change without a call.
  virtual bool IsMemoryOfOthers() const { return false; }
  // The file is gone. Mappings keep what they show.
  virtual void Dispose() = 0;

 protected:
  ~FileData() = default;
};

// Where a memory file system gets its files' bytes from; handed in.
class FileDataSource {
 public:
  virtual Result<FileData*> Make(std::uint64_t device, std::uint64_t node) = 0;
  // Bytes that files may take in all, and that are free now.
  virtual std::uint64_t Capacity() const = 0;
  virtual std::uint64_t Free() const = 0;

 protected:
  ~FileDataSource() = default;
};

}  // namespace k42::fs
