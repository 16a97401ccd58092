#include "interconnect/guest_memory.h"

#include <unistd.h>

namespace k42::interconnect {

void GuestMemory::Add(std::uint64_t guest_address, std::uint64_t size, UniqueFd fd,
                      std::uint64_t file_offset) {
  pieces_.push_back({guest_address, size, std::move(fd), file_offset});
}

std::vector<GuestMemory::Range> GuestMemory::Ranges() const {
  std::vector<Range> ranges;
  for (const Piece& piece : pieces_) ranges.push_back({piece.address, piece.size});
  return ranges;
}

bool GuestMemory::Read(std::uint64_t address, std::span<std::byte> to) const {
  for (const Piece& piece : pieces_) {
    if (address < piece.address || address - piece.address > piece.size ||
        to.size() > piece.size - (address - piece.address))
      continue;
    const auto got = pread(piece.fd.get(), to.data(), to.size(),
                           static_cast<off_t>(piece.file_offset + address - piece.address));
    return got == static_cast<ssize_t>(to.size());
  }
  return false;
}

}  // namespace k42::interconnect
