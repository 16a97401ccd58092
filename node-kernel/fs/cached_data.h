// FileData made of page-cache pages without anything behind them: the contents of memory files. A
// write, a read and a mapping see the same frames.
#pragma once

#include "fs/file_data.h"
#include "mem/fcm_file.h"

namespace k42::fs {

class CachedData final : public FileData {
 public:
  // Takes the reference to `file` over.
  explicit CachedData(mem::FcmFile& file) : file_(file) {}
  ~CachedData() = default;

  Result<std::uint64_t> Read(std::uint64_t offset, BufferOut data) override;
  Result<std::uint64_t> Write(std::uint64_t offset, BufferIn data, bool append,
                              std::uint64_t* end) override;
  Status Promise(std::uint64_t bytes) override { return file_.Promise(PagesOf(bytes)); }
  void EndPromise(std::uint64_t bytes) override { file_.EndPromise(PagesOf(bytes)); }
  Result<std::uint64_t> WritePromised(std::uint64_t offset, BufferIn data) override;
  std::uint64_t Size() const override { return file_.size(); }
  std::uint64_t Allocated() const override { return file_.resident_pages() * mem::kPageSize; }
  Status Resize(std::uint64_t size) override;
  Status GrowTo(std::uint64_t size) override;
  Status Clear(std::uint64_t offset, std::uint64_t length) override;
  Result<cobj::Granted<mem::IMemoryObject>> Memory(std::uint32_t rights) override;
  mem::FcmFile* Pages() override { return &file_; }
  bool IsMemoryOfOthers() const override { return !file_.HasOneReference(); }
  void Dispose() override;

 private:
  static std::uint64_t PagesOf(std::uint64_t bytes) {
    return (bytes + mem::kPageSize - 1) / mem::kPageSize;
  }

  mem::FcmFile& file_;
};

class CachedDataSource final : public FileDataSource {
 public:
  explicit constexpr CachedDataSource(mem::MemoryServices& memory) : memory_(memory) {}
  Result<FileData*> Make(std::uint64_t device, std::uint64_t node) override;
  std::uint64_t Capacity() const override;
  std::uint64_t Free() const override;

 private:
  mem::MemoryServices& memory_;
};

}  // namespace k42::fs
