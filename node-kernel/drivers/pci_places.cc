#include "drivers/pci_places.h"

#include <algorithm>

#include "base/align.h"
#include "drivers/pci.h"
#include "machine/log.h"
#include "pvh.h"

namespace k42::drivers {
namespace {

using machine::PhysAddr;

constexpr PhysAddr kWindowBegin = 0xc000'0000;
constexpr PhysAddr kWindowEnd = 0xfec0'0000;  // the I/O APIC
constexpr PhysAddr kPage = 4096;  // devices never share one: registers are mapped by page

constexpr std::uint32_t kHeaderType = 0x0e;
constexpr std::uint8_t kManyFunctions = 0x80;
constexpr std::uint32_t kCommand = 0x04;
constexpr std::uint16_t kCommandDecode = 3;  // I/O and memory
constexpr std::uint32_t kBars = 0x10;
constexpr std::uint32_t kBarCount = 6;

// Every function on bus 0 that has BARs (header type 0: bridges are left alone).
template <typename Visit>
void ForEachDevice(Visit visit) {
  constexpr std::uint16_t kAddresses = 256;
  for (std::uint16_t address = 0; address < kAddresses; ++address) {
    const PciDevice device{address};
    const bool there = device.Read16(0) != 0xffff;
    const std::uint8_t type = there ? device.Read8(kHeaderType) : 0;
    if (there && (type & ~kManyFunctions) == 0) {
      visit(device);
    }
    if (address % 8 == 0 && (type & kManyFunctions) == 0) {
      address = static_cast<std::uint16_t>(address + 7);  // the device's only function
    }
  }
}

BarShape Probe(const PciDevice& device, std::uint32_t index) {
  const std::uint32_t at = kBars + 4 * index;
  const bool has_neighbour = index + 1 < kBarCount;
  const std::uint32_t low = device.Read32(at);
  const std::uint32_t high = has_neighbour ? device.Read32(at + 4) : 0;
  device.Write32(at, ~0u);
  if (has_neighbour) {
    device.Write32(at + 4, ~0u);
  }
  const BarShape shape = ShapeOf(device.Read32(at), has_neighbour ? device.Read32(at + 4) : 0);
  device.Write32(at, low);
  if (has_neighbour) {
    device.Write32(at + 4, high);
  }
  return shape;
}

void Place(const PciDevice& device, PciWindow& window) {
  const std::uint16_t command = device.Read16(kCommand);
  device.Write16(kCommand, static_cast<std::uint16_t>(command & ~kCommandDecode));
  for (std::uint32_t i = 0; i < kBarCount; ++i) {
    const BarShape shape = Probe(device, i);
    if (shape.is_memory && shape.size != 0) {
      const Result<PhysAddr> place = window.Take(std::max(shape.size, kPage));
      if (place.ok()) {
        device.Write32(kBars + 4 * i, static_cast<std::uint32_t>(place.value()));
      } else {
        machine::Log("pci: no room for {} bytes of device {x}, BAR {}", shape.size, device.address,
                     i);
      }
    }
    i += shape.is_wide ? 1 : 0;
  }
  device.Write16(kCommand, command);
}

}  // namespace

BarShape ShapeOf(std::uint32_t low, std::uint32_t high) {
  constexpr std::uint32_t kKind = 0xf;
  BarShape shape;
  shape.is_memory = (low & 1) == 0;
  shape.is_wide = (low & 7) == 4;
  if (!shape.is_memory || (low & ~kKind) == 0) {
    return shape;  // a wide BAR of 4 GiB and more has no place in the window either
  }
  const std::uint64_t mask =
      (shape.is_wide ? std::uint64_t{high} << 32 : 0xffff'ffffull << 32) | (low & ~kKind);
  shape.size = ~mask + 1;
  return shape;
}

Result<PhysAddr> PciWindow::Take(std::uint64_t size) {
  const PhysAddr place = AlignUp(next_, size);
  if (place < next_ || place > end_ || size > end_ - place) {
    return Status::kNoSpace;
  }
  next_ = place + size;
  return place;
}

void PlacePciDevices() {
  bool placed = false;
  ForEachDevice([&](const PciDevice& device) {
    for (std::uint32_t i = 0; i < kBarCount; ++i) {
      placed = placed || device.Bar(i).ok();
    }
  });
  if (placed) {
    return;
  }
  for (const machine::PhysRange& range : machine::RamRanges()) {
    if (range.begin < kWindowEnd && range.end > kWindowBegin) {
      machine::Log("pci: RAM lies where devices would be placed: they stay without addresses");
      return;
    }
  }
  PciWindow window(kWindowBegin, kWindowEnd);
  ForEachDevice([&](const PciDevice& device) { Place(device, window); });
}

}  // namespace k42::drivers
