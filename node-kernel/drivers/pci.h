// PCI as the drivers need it: find a device, its registers, its capabilities, MSI-X.
//
// The BARs have addresses: the firmware's, or pci_places.h's. Buses behind bridges are not walked
// (QEMU's devices that we use sit on bus 0). Configuration space goes by ports 0xcf8/0xcfc, a pair
// that all CPUs share: all of this is for the boot CPU during the start list.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "machine/irq.h"
#include "machine/phys.h"

namespace k42::drivers {

struct PciDevice {
  std::uint16_t address = 0;  // device << 3 | function, on bus 0

  std::uint32_t Read32(std::uint32_t offset) const;
  std::uint16_t Read16(std::uint32_t offset) const;
  std::uint8_t Read8(std::uint32_t offset) const;
  void Write32(std::uint32_t offset, std::uint32_t value) const;
  void Write16(std::uint32_t offset, std::uint16_t value) const;

  // Memory accesses answered, bus mastering on.
  void Enable() const;
  // The physical address in BAR `index`; kNotFound if it is none of memory.
  Result<machine::PhysAddr> Bar(std::uint32_t index) const;
  // Offset of the first capability `id` after `after` (0: from the start); 0: there is none.
  std::uint32_t Capability(std::uint8_t id, std::uint32_t after = 0) const;
};

// The `which`th (from 0) device of that vendor and kind; kNotFound.
Result<PciDevice> FindPciDevice(std::uint16_t vendor, std::uint16_t kind, std::uint32_t which = 0);

// A device's MSI-X table. Entries are masked until Set.
class MsiX {
 public:
  MsiX() = default;
  static Result<MsiX> Of(const PciDevice& device);

  std::uint32_t count() const { return count_; }
  Status Set(std::uint32_t entry, machine::IrqVector irq);
  void Enable() const;  // no more legacy interrupts

 private:
  PciDevice device_;
  std::uint32_t capability_ = 0;
  std::uint32_t count_ = 0;
  volatile std::uint32_t* table_ = nullptr;
};

}  // namespace k42::drivers
