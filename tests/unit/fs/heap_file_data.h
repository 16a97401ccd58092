// FileData in plain memory: what file system tests use in place of the page cache.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "fs/file_data.h"

namespace k42::test {

class HeapFileData final : public fs::FileData {
 public:
  Result<std::uint64_t> Read(std::uint64_t offset, BufferOut data) override {
    if (offset >= bytes_.size()) {
      return std::uint64_t{0};
    }
    const std::size_t count = std::min<std::size_t>(data.size(), bytes_.size() - offset);
    TRY(data.CopyFrom(bytes_.data() + offset, 0, count));
    return std::uint64_t{count};
  }
  Result<std::uint64_t> Write(std::uint64_t offset, BufferIn data, bool append,
                              std::uint64_t* end) override {
    offset = append ? bytes_.size() : offset;
    bytes_.resize(std::max<std::size_t>(bytes_.size(), offset + data.size()));
    TRY(data.CopyTo(bytes_.data() + offset, 0, data.size()));
    *end = offset + data.size();
    return std::uint64_t{data.size()};
  }
  Status Promise(std::uint64_t) override { return Status::kOk; }
  void EndPromise(std::uint64_t) override {}
  Result<std::uint64_t> WritePromised(std::uint64_t offset, BufferIn data) override {
    std::uint64_t end = 0;
    return Write(offset, data, false, &end);
  }
  std::uint64_t Size() const override { return bytes_.size(); }
  std::uint64_t Allocated() const override { return bytes_.size(); }
  Status Resize(std::uint64_t size) override {
    bytes_.resize(size);
    return Status::kOk;
  }
  Status GrowTo(std::uint64_t size) override {
    return Resize(std::max<std::uint64_t>(size, bytes_.size()));
  }
  Status Clear(std::uint64_t offset, std::uint64_t length) override {
    std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), length, std::byte{});
    return Status::kOk;
  }
  Result<cobj::Granted<mem::IMemoryObject>> Memory(std::uint32_t) override {
    return Status::kNotSupported;
  }
  void Dispose() override { delete this; }
  HeapFileData() { ++alive_; }
  ~HeapFileData() { --alive_; }
  static int alive() { return alive_; }

 private:
  inline static std::atomic<int> alive_{0};
  std::vector<std::byte> bytes_;
};

class HeapFileDataSource final : public fs::FileDataSource {
 public:
  Result<fs::FileData*> Make(std::uint64_t, std::uint64_t) override { return new HeapFileData; }
  std::uint64_t Capacity() const override { return 1 << 20; }
  std::uint64_t Free() const override { return 1 << 20; }
};

}  // namespace k42::test
