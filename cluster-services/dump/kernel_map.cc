#include "cluster-services/dump/kernel_map.h"

#include <algorithm>
#include <span>

namespace k42::dump {
namespace {

constexpr std::uint64_t kPresent = 1 << 0, kWritable = 1 << 1, kLarge = 1 << 7;
constexpr std::uint64_t kNoExecute = 1ull << 63;
constexpr std::uint64_t kAddressMask = 0x000f'ffff'ffff'f000;
constexpr unsigned kEntries = 512, kFirstKernelSlot = 256;
constexpr std::uint64_t kPage = 4096;
constexpr std::size_t kMostMappings = 1 << 16;                // more than a core file can say
constexpr std::uint64_t kKernelHalf = 0xffff'0000'0000'0000;  // the sign, extended

class Walk {
 public:
  explicit Walk(const interconnect::GuestMemory& memory)
      : memory_(memory), ranges_(memory.Ranges()) {
    // Each table is a page of RAM, and few are reached twice: more than that is a circle.
    for (const auto& range : ranges_) tables_left_ += range.size / kPage;
  }

  // False: the tables make no sense.
  bool Table(std::uint64_t table, unsigned level, std::uint64_t address, bool writable,
             bool executable) {
    std::uint64_t entries[kEntries];
    if (tables_left_ == 0 || !memory_.Read(table, std::as_writable_bytes(std::span(entries))))
      return false;
    --tables_left_;
    const unsigned shift = 12 + 9 * (level - 1);
    for (std::uint64_t i = level == 4 ? kFirstKernelSlot : 0; i < kEntries; ++i) {
      const std::uint64_t entry = entries[i];
      if ((entry & kPresent) == 0)
        continue;
      const std::uint64_t at = address + (i << shift);
      const bool w = writable && (entry & kWritable) != 0;
      const bool x = executable && (entry & kNoExecute) == 0;
      const std::uint64_t to = entry & kAddressMask;
      if (level == 1 || (level < 4 && (entry & kLarge) != 0)) {
        const std::uint64_t size = 1ull << shift;
        Add({at, to & ~(size - 1), size, w, x});
        if (mappings_.size() > kMostMappings)
          return false;
      } else if (!Table(to, level - 1, at, w, x)) {
        return false;
      }
    }
    return true;
  }

  std::vector<Mapping> Take() { return std::move(mappings_); }

 private:
  // Those parts of it that are RAM.
  void Add(const Mapping& whole) {
    for (const auto& range : ranges_) {
      const std::uint64_t begin = std::max(whole.physical, range.address);
      const std::uint64_t end = std::min(whole.physical + whole.size, range.address + range.size);
      if (begin >= end)
        continue;
      const Mapping part{whole.address + (begin - whole.physical), begin, end - begin,
                         whole.writable, whole.executable};
      if (!mappings_.empty() && Continues(mappings_.back(), part, range.address))
        mappings_.back().size += part.size;
      else
        mappings_.push_back(part);
    }
  }
  static bool Continues(const Mapping& last, const Mapping& next, std::uint64_t range_begin) {
    return last.address + last.size == next.address && last.physical + last.size == next.physical &&
           next.physical != range_begin && last.writable == next.writable &&
           last.executable == next.executable;
  }

  const interconnect::GuestMemory& memory_;
  const std::vector<interconnect::GuestMemory::Range> ranges_;
  std::uint64_t tables_left_ = 0;
  std::vector<Mapping> mappings_;
};

}  // namespace

Outcome<std::vector<Mapping>> WalkKernelHalf(const interconnect::GuestMemory& memory,
                                             std::uint64_t root) {
  Walk walk(memory);
  if (!walk.Table(root & kAddressMask, 4, kKernelHalf, true, true))
    return {Status::kCorrupt, "the node's page tables make no sense"};
  std::vector<Mapping> mappings = walk.Take();
  if (mappings.empty())
    return {Status::kNotFound, "the node's page tables map no kernel"};
  return mappings;
}

}  // namespace k42::dump
