// Addresses for PCI devices where the firmware gives none: SeaBIOS places every device's memory
// BARs, qboot leaves all of them at zero.
//
// The window lies between the configuration space of qboot's q35 (0xb0000000 and 256 MiB) and the
// interrupt controllers, where no machine that we run on has RAM. I/O BARs stay as they are: no
// driver of ours uses one.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "machine/phys.h"

namespace k42::drivers {

// A memory BAR as its size probe shows it.
struct BarShape {
  bool is_memory = false;
  bool is_wide = false;    // takes the next BAR's register as well
  std::uint64_t size = 0;  // a power of two; 0: the BAR is not there
};
// `low` and `high` as read back after all ones were written to the register and its neighbour.
BarShape ShapeOf(std::uint32_t low, std::uint32_t high);

// What is left of the window.
class PciWindow {
 public:
  constexpr PciWindow(machine::PhysAddr begin, machine::PhysAddr end) : next_(begin), end_(end) {}
  // A place aligned to its size; kNoSpace. `size` is a power of two.
  Result<machine::PhysAddr> Take(std::uint64_t size);

 private:
  machine::PhysAddr next_;
  machine::PhysAddr end_;
};

// Once, on the boot CPU, before any driver: if no device on bus 0 has a memory BAR placed, places
// all. A device for which there is no room is named in the log and stays unplaced.
void PlacePciDevices();

}  // namespace k42::drivers
