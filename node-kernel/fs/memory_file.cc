#include "fs/memory_file.h"

#include <algorithm>
#include <cstring>

#include "base/align.h"
#include "fs/entry.h"
#include "fs/memory_fs.h"

namespace k42::fs {

Result<std::uint64_t> MemoryFile::Read(std::uint64_t offset, BufferOut data) {
  leases_.BeforeRead();
  const std::uint64_t count = TRY(data_.Read(offset, data));
  TouchAccessed();
  return count;
}

Result<std::uint64_t> MemoryFile::Write(std::uint64_t offset, BufferIn data, bool append,
                                        std::uint64_t* end) {
  const FileLeases::Change change(leases_);
  const std::uint64_t count = TRY(data_.Write(offset, data, append, end));
  TouchModified();
  return count;
}

Result<std::uint64_t> MemoryFile::Size() {
  leases_.BeforeRead();
  return data_.Size();
}

// From here on others may change the bytes without a call: who holds the file gives it back, and
// the new holder of its memory keeps further leases away.
Result<cobj::Granted<mem::IMemoryObject>> MemoryFile::Memory(std::uint32_t rights) {
  const FileLeases::Change change(leases_);
  return data_.Memory(rights);
}

Status MemoryFile::GetAttributes(FileAttributes* attributes) {
  const std::uint64_t size = leases_.Look();
  TRY(MemoryNode::GetAttributes(attributes));
  attributes->size = std::max(attributes->size, size);
  attributes->allocated = std::max(attributes->allocated, AlignUp(size, mem::kPageSize));
  return Status::kOk;
}

// Times that are set stay: what a holder did before is noted first.
Status MemoryFile::SetAttributes(const AttributeChange& change) {
  const FileLeases::Change guard(leases_);
  return MemoryNode::SetAttributes(change);
}

Status MemoryFile::Allocate(AllocateMode mode, std::uint64_t offset, std::uint64_t length) {
  const FileLeases::Change change(leases_);
  const std::uint64_t end = offset + length;
  const std::uint64_t size = data_.Size();
  switch (mode) {
    case AllocateMode::kReserve:  // memory is found at the first touch: only the size can change
      TRY(data_.GrowTo(end));
      break;
    case AllocateMode::kReserveKeepSize:
      break;
    case AllocateMode::kPunchHole:
      TRY(data_.Clear(offset, std::min(end, size) - std::min(offset, size)));
      break;
    case AllocateMode::kZero:
      TRY(data_.Clear(offset, std::min(end, size) - std::min(offset, size)));
      TRY(data_.GrowTo(end));
      break;
  }
  TouchModified();
  return Status::kOk;
}

void MemoryFile::FillSize(FileAttributes* attributes) const {
  attributes->size = data_.Size();
  attributes->allocated = data_.Allocated();
}

Result<std::size_t> MemoryLink::ReadLink(const Identity&, std::span<char> text) {
  std::memcpy(text.data(), text_, std::min(size_, text.size()));
  return size_;
}

Result<cobj::Granted<IOpenFile>> MemoryFifo::Open(const OpenRequest& request) {
  return io::Fifo::Open(fifo_, RefPtr<Node>(this), request.entry, request.flags);
}

}  // namespace k42::fs
