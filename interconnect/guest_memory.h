// GuestMemory: a guest's RAM, read from outside while the guest runs, hangs or is stopped. Its
// pieces are files, the memory backends that QEMU shares with the carrier; nothing is mapped,
// nothing can be written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "interconnect/unique_fd.h"

namespace k42::interconnect {

class GuestMemory {
 public:
  // [guest_address, guest_address + size) of guest-physical memory is [file_offset, ...) of `fd`.
  void Add(std::uint64_t guest_address, std::uint64_t size, UniqueFd fd, std::uint64_t file_offset);
  void Clear() { pieces_.clear(); }

  struct Range {
    std::uint64_t address;
    std::uint64_t size;
  };
  // What there is, in the order it was added.
  std::vector<Range> Ranges() const;

  // False: not all of the range is RAM, or it cannot be read.
  bool Read(std::uint64_t address, std::span<std::byte> to) const;
  template <typename T>
  bool ReadObject(std::uint64_t address, T* object) const {
    return Read(address, std::as_writable_bytes(std::span(object, 1)));
  }

 private:
  struct Piece {
    std::uint64_t address;
    std::uint64_t size;
    UniqueFd fd;
    std::uint64_t file_offset;
  };
  std::vector<Piece> pieces_;
};

}  // namespace k42::interconnect
