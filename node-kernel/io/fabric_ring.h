// A byte ring addressed by absolute positions in a stream: byte p lies at p mod size. Memory and
// positions are the owner's; this only copies across the wrap. Size is a power of two.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace k42::io {

class FabricRing {
 public:
  FabricRing() = default;
  explicit FabricRing(std::span<std::byte> memory) : memory_(memory) {}

  std::uint64_t size() const { return memory_.size(); }
  std::uint64_t OffsetOf(std::uint64_t position) const { return position & (size() - 1); }
  // Bytes from `position` to the wrap.
  std::uint64_t ContiguousFrom(std::uint64_t position) const { return size() - OffsetOf(position); }

  // Precondition of both: at most size() bytes.
  void CopyIn(std::uint64_t position, std::span<const std::byte> from) {
    std::size_t first = std::min<std::size_t>(from.size(), ContiguousFrom(position));
    std::memcpy(memory_.data() + OffsetOf(position), from.data(), first);
    std::memcpy(memory_.data(), from.data() + first, from.size() - first);
  }
  void CopyOut(std::uint64_t position, std::span<std::byte> to) const {
    std::size_t first = std::min<std::size_t>(to.size(), ContiguousFrom(position));
    std::memcpy(to.data(), memory_.data() + OffsetOf(position), first);
    std::memcpy(to.data() + first, memory_.data(), to.size() - first);
  }
  // The contiguous bytes at `position`, for copies that may fault half-way.
  std::span<std::byte> Contiguous(std::uint64_t position, std::uint64_t most) const {
    return memory_.subspan(OffsetOf(position), std::min(most, ContiguousFrom(position)));
  }

 private:
  std::span<std::byte> memory_;
};

}  // namespace k42::io
