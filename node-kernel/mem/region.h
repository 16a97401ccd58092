// Region: a range of an address space that shows a range of one Fcm, with one protection.
//
// start, end, offset and protection are written under the address space's lock_ and the Fcm's lock
// both, while the region is stopped; reading needs either lock, or a request inside the region.
// offset is that of `start`. For an FcmPrivate, offset == start always (mem/fcm_private.h).
#pragma once

#include <cstdint>

#include "base/intrusive_list.h"
#include "base/intrusive_tree.h"
#include "mem/request_count.h"
#include "mem/types.h"

namespace k42::mem {

class AddressSpace;
class Fcm;
class Hat;

// What a forked copy of the address space has in this place.
enum class ForkPolicy : std::uint8_t {
  kCopy,  // private: a copy on write; shared: the same memory
  kOmit,  // nothing
  kWipe,  // zeros
};

// By what page tables show the whole 2 MiB of a region of private zero-filled memory.
enum class LargePages : std::uint8_t {
  kAsNode,    // as the node's LargePolicy says
  kWanted,    // by large pages, where there are any and the policy allows it
  kRefused,   // by small ones
  kPromised,  // by large pages, whatever the policy: there were enough when it was mapped
};

struct Region : ListLink<>, TreeLink<Region> {
  std::uint64_t TreeKey() const { return start; }
  std::uint64_t size() const { return end - start; }
  std::uint64_t OffsetOf(std::uint64_t address) const { return offset + (address - start); }
  std::uint64_t AddressOf(std::uint64_t at_offset) const { return start + (at_offset - offset); }
  // Same in all but place: may become one region if their ranges meet.
  bool Matches(const Region& other) const {
    return fcm == other.fcm && protection == other.protection && shared == other.shared &&
           may_write == other.may_write && personality == other.personality && fork == other.fork &&
           large == other.large;
  }

  Hat* hat = nullptr;
  Fcm* fcm = nullptr;  // holds a reference
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t offset = 0;
  RequestCount requests;
  Protection protection = kProtectNone;
  ForkPolicy fork = ForkPolicy::kCopy;
  bool shared = false;
  bool may_write = true;  // a shared view of an object opened for reading: never
  bool personality = false;
  LargePages large = LargePages::kAsNode;
};

}  // namespace k42::mem
