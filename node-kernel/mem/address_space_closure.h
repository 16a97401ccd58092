// AddressSpace::Closure: a range is closed to faults while the object lives; change_ is held. And
// how long lock_ is. Private to address_space*.cc.
#pragma once

#include "mem/address_space.h"

namespace k42::mem {

inline constexpr machine::HoldReason kRegion{
    800, "one region is found, and leaves or enters the tree and its Fcm"};

class AddressSpace::Closure {
 public:
  // Closes [start, end), widened to whole regions and to the neighbours that touch it (they may be
  // merged), and waits until no fault is under way there.
  Closure(AddressSpace& space, std::uint64_t start, std::uint64_t end);
  ~Closure();
  Closure(const Closure&) = delete;
  Closure& operator=(const Closure&) = delete;

 private:
  AddressSpace& space_;
  std::uint64_t start_ = 0, end_ = 0;  // as widened
};

}  // namespace k42::mem
