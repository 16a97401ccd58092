// What OpenFile.ReadDirectory fills its buffer with: records one after the other, each a multiple
// of 8 bytes long. `cookie` is the position after the record: Seek there and reading goes on with
// the next one, also after entries have been added or removed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace k42::abi {

struct DirectoryRecord {
  std::uint64_t node;
  std::uint64_t cookie;
  std::uint16_t record_size;
  std::uint8_t kind;  // fs::FileKind
  std::uint8_t name_size;
  char name[4];  // name_size bytes, padded with zeros

  static constexpr std::size_t SizeFor(std::size_t name_size) {
    return (offsetof(DirectoryRecord, name) + name_size + 7) & ~std::size_t{7};
  }
};
static_assert(offsetof(DirectoryRecord, name) == 20);

}  // namespace k42::abi
