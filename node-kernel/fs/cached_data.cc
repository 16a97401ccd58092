#include "fs/cached_data.h"

#include "base/function_ref.h"
#include "cobj/may_block.h"
#include "mem/heap.h"
#include "mem/memory_object.h"
#include "mem/services.h"

namespace k42::fs {

using mem::Waiting;

namespace {

// Others may be in the middle of a write or a cut, and held up there. There is no effect before.
Status AtOnceOrLater(FunctionRef<Status(Waiting)> change) {
  const Status at_once = change(Waiting::kNo);
  if (at_once != Status::kWouldBlock) {
    return at_once;
  }
  TRY(cobj::MayBlock());
  return change(Waiting::kYes);
}

}  // namespace

Result<std::uint64_t> CachedData::Read(std::uint64_t offset, BufferOut data) {
  return file_.Read(offset, data, Waiting::kYes);  // nothing behind: never waits
}

Result<std::uint64_t> CachedData::Write(std::uint64_t offset, BufferIn data, bool append,
                                        std::uint64_t* end) {
  std::uint64_t count = 0;
  const Status written = AtOnceOrLater([&](Waiting waiting) -> Status {
    if (append) {
      count = TRY(file_.Append(data, waiting, end));
    } else {
      count = TRY(file_.Write(offset, data, waiting));
      *end = offset + count;
    }
    return Status::kOk;
  });
  return IsOk(written) ? Result<std::uint64_t>(count) : written;
}

// Nobody else changes the file meanwhile (file_leases.h): there is nothing to wait for.
Result<std::uint64_t> CachedData::WritePromised(std::uint64_t offset, BufferIn data) {
  return file_.Write(offset, data, Waiting::kYes, mem::FramePurpose::kPromised);
}

Status CachedData::Resize(std::uint64_t size) {
  return AtOnceOrLater([&](Waiting waiting) { return file_.Resize(size, waiting); });
}

Status CachedData::GrowTo(std::uint64_t size) {
  return AtOnceOrLater([&](Waiting waiting) { return file_.GrowTo(size, waiting); });
}

Status CachedData::Clear(std::uint64_t offset, std::uint64_t length) {
  return AtOnceOrLater([&](Waiting waiting) { return file_.PunchHole(offset, length, waiting); });
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
