// A small sorted list of disjoint physical ranges: what boot knows about memory before there is an
// allocator. Pure: compiled and tested hosted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"
#include "platform/contract/types.h"

namespace k42::machine {

struct PhysRange {
  PhysAddr begin;
  PhysAddr end;
  std::uint64_t size() const { return end - begin; }
  bool Contains(PhysAddr address) const { return begin <= address && address < end; }
  friend bool operator==(const PhysRange&, const PhysRange&) = default;
};

class PhysRanges {
 public:
  static constexpr std::size_t kCapacity = 64;

  // Empty and inverted ranges are ignored. Ranges that touch or overlap become one.
  Status Add(PhysRange range);
  // Removes what `range` covers; may split one range into two (kNoSpace if the list is full).
  Status Subtract(PhysRange range);
  // Shrinks every range to whole pages.
  void TrimToPages();

  std::span<const PhysRange> ranges() const { return {ranges_.data(), count_}; }
  std::uint64_t TotalSize() const;

 private:
  void RemoveAt(std::size_t index);
  std::array<PhysRange, kCapacity> ranges_{};
  std::size_t count_ = 0;
};

}  // namespace k42::machine
