// DirectoryWriter: fills a caller's buffer with directory records (abi/directory_record.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "abi/directory_record.h"
#include "base/buffer.h"
#include "fs/file.types.h"

namespace k42::fs {

class DirectoryWriter {
 public:
  explicit DirectoryWriter(std::span<std::byte> space) : space_(space) {}

  // False: no room for it; the directory stops there and goes on at this record next time.
  bool Add(std::string_view name, FileKind kind, std::uint64_t node, std::uint64_t cookie) {
    const std::size_t size = abi::DirectoryRecord::SizeFor(name.size());
    if (size > space_.size() - used_) {
      full_ = true;
      return false;
    }
    std::byte* at = space_.data() + used_;
    std::memset(at, 0, size);
    auto* record = reinterpret_cast<abi::DirectoryRecord*>(at);
    record->node = node;
    record->cookie = cookie;
    record->record_size = static_cast<std::uint16_t>(size);
    record->kind = static_cast<std::uint8_t>(kind);
    record->name_size = static_cast<std::uint8_t>(name.size());
    std::memcpy(at + offsetof(abi::DirectoryRecord, name), name.data(), name.size());
    used_ += size;
    position_ = cookie;
    return true;
  }

  std::size_t used() const { return used_; }
  // The cookie of the last record added.
  std::uint64_t position() const { return position_; }
  bool full() const { return full_; }

 private:
  std::span<std::byte> space_;
  std::size_t used_ = 0;
  std::uint64_t position_ = 0;
  bool full_ = false;
};

}  // namespace k42::fs
