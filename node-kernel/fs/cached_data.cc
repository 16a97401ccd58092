#include "fs/cached_data.h"

#include "mem/heap.h"
#include "mem/memory_object.h"
#include "mem/services.h"

namespace k42::fs {

Result<std::uint64_t> CachedData::Read(std::uint64_t offset, BufferOut data) {
  return file_.Read(offset, data, mem::Waiting::kYes);  // nothing behind: never waits
}

Result<std::uint64_t> CachedData::Write(std::uint64_t offset, BufferIn data, bool append,
                                        std::uint64_t* end) {
  if (append) {
    machine::MutexGuard guard(append_lock_);
    offset = file_.size();
    const std::uint64_t count = TRY(file_.Write(offset, data, mem::Waiting::kYes));
    *end = offset + count;
    return count;
  }
  const std::uint64_t count = TRY(file_.Write(offset, data, mem::Waiting::kYes));
  *end = offset + count;
  return count;
}

Result<std::uint64_t> CachedData::WritePromised(std::uint64_t offset, BufferIn data) {
  return file_.Write(offset, data, mem::Waiting::kYes, mem::FramePurpose::kPromised);
}

Result<cobj::Granted<mem::IMemoryObject>> CachedData::Memory(std::uint32_t rights) {
  return cobj::Granted<mem::IMemoryObject>(TRY(mem::MakeMemoryObject(&file_)), rights);
}

void CachedData::Dispose() {
  file_.DropReference();
  mem::Delete(this);
}

Result<FileData*> CachedDataSource::Make(std::uint64_t device, std::uint64_t node) {
  mem::FcmFile* file = TRY(mem::FcmFile::Create(memory_, nullptr, 0, device, node));
  const auto data = mem::New<CachedData>(*file);
  if (!data.ok()) {
    file->DropReference();
    return data.status();
  }
  return data.value();
}

std::uint64_t CachedDataSource::Capacity() const {
  return memory_.frames.total_frames() * mem::kPageSize / 2;
}

std::uint64_t CachedDataSource::Free() const {
  return memory_.frames.free_frames() * mem::kPageSize / 2;
}

}  // namespace k42::fs
