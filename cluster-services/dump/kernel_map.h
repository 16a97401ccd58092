// What the kernel's half of a guest's address space maps, by the guest's own page tables.
//
// The tables are a guest's, which may be broken: whatever they say, the walk ends, and what is not
// RAM (device registers, nonsense) is left out.
#pragma once

#include <cstdint>
#include <vector>

#include "cluster-services/support/outcome.h"
#include "interconnect/guest_memory.h"

namespace k42::dump {

struct Mapping {
  std::uint64_t address;   // virtual
  std::uint64_t physical;  // within one range of RAM
  std::uint64_t size;
  bool writable;
  bool executable;

  friend bool operator==(const Mapping&, const Mapping&) = default;
};

// In order of addresses; neighbours that go on in physical memory as well are one. `root`: CR3.
// kCorrupt: the tables make no sense. kNotFound: they map nothing up there.
Outcome<std::vector<Mapping>> WalkKernelHalf(const interconnect::GuestMemory& memory,
                                             std::uint64_t root);

}  // namespace k42::dump
