// Devices have addresses, whichever firmware has run (or the kernel has placed them).
#include "drivers/pci.h"

#include "drivers/pci_places.h"
#include "guest/guest_test.h"
#include "pvh.h"

namespace k42 {
namespace {

using drivers::PciDevice;
using machine::PhysAddr;

GUEST_TEST(pci_shapes_of_bars) {
  // Registers as devices answer a probe: 4 KiB; 16 KiB, 64 bits, prefetchable; ports; nothing.
  const drivers::BarShape small = drivers::ShapeOf(0xffff'f000, 0xffff'c00c);
  EXPECT(small.is_memory && !small.is_wide && small.size == 4096);
  const drivers::BarShape wide = drivers::ShapeOf(0xffff'c00c, 0xffff'ffff);
  EXPECT(wide.is_memory && wide.is_wide && wide.size == 16 << 10);
  EXPECT(!drivers::ShapeOf(0xffff'ffe1, 0).is_memory);
  EXPECT(drivers::ShapeOf(0, 0).size == 0);
  // The last register has no neighbour, whatever it says of itself.
  EXPECT(drivers::ShapeOf(0xfff0'0000, 0).size == 1 << 20);
}

GUEST_TEST(pci_window_aligns_and_ends) {
  drivers::PciWindow window(0x1000, 0x10000);
  EXPECT(window.Take(0x1000).value() == 0x1000);
  EXPECT(window.Take(0x4000).value() == 0x4000);
  EXPECT(window.Take(0x1000).value() == 0x8000);
  EXPECT(window.Take(0x8000).status() == Status::kNoSpace);
  EXPECT(window.Take(0x4000).value() == 0xc000);
  EXPECT(window.Take(1).status() == Status::kNoSpace);
}

// run.py --expect "3 virtio devices, 6 places": with the devices of guest/pci
// (tests/manifest.toml).
GUEST_TEST(pci_devices_have_places_of_their_own) {
  constexpr std::uint16_t kVirtioVendor = 0x1af4;
  struct Place {
    PhysAddr begin, end;
  };
  Place places[64];
  std::size_t count = 0;
  std::uint32_t devices = 0;
  for (std::uint16_t address = 0; address < 256; ++address) {
    const PciDevice device{address};
    if (device.Read16(0) != kVirtioVendor) {
      continue;
    }
    ++devices;
    // A virtio device of the modern form has its registers in one BAR, its MSI-X table in another.
    std::uint32_t found = 0;
    for (std::uint32_t i = 0; i < 6; ++i) {
      const Result<PhysAddr> bar = device.Bar(i);
      if (!bar.ok()) {
        continue;
      }
      ++found;
      EXPECT(bar.value() % machine::kPageSize == 0);
      REQUIRE(count < std::size(places));
      places[count++] = {bar.value(), bar.value() + (i == 4 ? 16 << 10 : 4 << 10)};
      i += (device.Read32(0x10 + 4 * i) & 6) == 4 ? 1 : 0;
    }
    EXPECT(found == 2);
  }
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      EXPECT(places[i].end <= places[k].begin || places[k].end <= places[i].begin);
    }
    for (const machine::PhysRange& ram : machine::RamRanges()) {
      EXPECT(places[i].end <= ram.begin || ram.end <= places[i].begin);
    }
  }
  machine::Log("pci: {} virtio devices, {} places", devices, count);
}

}  // namespace
}  // namespace k42
