// AddressSpace::Closure: a range is closed to faults while the object lives. Private to
// address_space*.cc; change_ is held.
#pragma once

#include "mem/address_space.h"

namespace k42::mem {

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
};

}  // namespace k42::mem
