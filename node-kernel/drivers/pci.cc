#include "drivers/pci.h"

#include "instructions.h"

namespace k42::drivers {
namespace {

constexpr std::uint16_t kAddressPort = 0xcf8;
constexpr std::uint16_t kDataPort = 0xcfc;

constexpr std::uint32_t kCommand = 0x04;
constexpr std::uint16_t kCommandMemory = 1u << 1;
constexpr std::uint16_t kCommandMaster = 1u << 2;
constexpr std::uint32_t kStatus = 0x06;
constexpr std::uint16_t kStatusCapabilities = 1u << 4;
constexpr std::uint32_t kBars = 0x10;
constexpr std::uint32_t kCapabilities = 0x34;
constexpr std::uint8_t kMsiXCapability = 0x11;
constexpr std::uint32_t kDevices = 256;         // with functions, on one bus
constexpr std::uint32_t kMaxCapabilities = 48;  // a list that runs in a circle ends

void Select(std::uint16_t address, std::uint32_t offset) {
  machine::OutLong(kAddressPort, 0x8000'0000u | std::uint32_t{address} << 8 | (offset & 0xfc));
}

}  // namespace

std::uint32_t PciDevice::Read32(std::uint32_t offset) const {
  Select(address, offset);
  return machine::InLong(kDataPort);
}

std::uint16_t PciDevice::Read16(std::uint32_t offset) const {
  return static_cast<std::uint16_t>(Read32(offset) >> (offset & 2) * 8);
}

std::uint8_t PciDevice::Read8(std::uint32_t offset) const {
  return static_cast<std::uint8_t>(Read32(offset) >> (offset & 3) * 8);
}

void PciDevice::Write32(std::uint32_t offset, std::uint32_t value) const {
  Select(address, offset);
  machine::OutLong(kDataPort, value);
}

void PciDevice::Write16(std::uint32_t offset, std::uint16_t value) const {
  Select(address, offset);
  machine::OutWord(static_cast<std::uint16_t>(kDataPort + (offset & 2)), value);
}

void PciDevice::Enable() const {
  Write16(kCommand, Read16(kCommand) | kCommandMemory | kCommandMaster);
}

Result<machine::PhysAddr> PciDevice::Bar(std::uint32_t index) const {
  if (index > 5)
    return Status::kNotFound;
  const std::uint32_t low = Read32(kBars + 4 * index);
  if ((low & 1) != 0)
    return Status::kNotFound;  // ports
  machine::PhysAddr base = low & ~0xfu;
  if ((low & 6) == 4 && index < 5)
    base |= machine::PhysAddr{Read32(kBars + 4 * index + 4)} << 32;
  if (base == 0)
    return Status::kNotFound;  // unused, or nobody has placed it
  return base;
}

std::uint32_t PciDevice::Capability(std::uint8_t id, std::uint32_t after) const {
  if ((Read16(kStatus) & kStatusCapabilities) == 0)
    return 0;
  std::uint32_t at = Read8(after == 0 ? kCapabilities : after + 1) & 0xfc;
  for (std::uint32_t i = 0; i < kMaxCapabilities && at != 0; ++i) {
    if (Read8(at) == id)
      return at;
    at = Read8(at + 1) & 0xfc;
  }
  return 0;
}

Result<PciDevice> FindPciDevice(std::uint16_t vendor, std::uint16_t kind, std::uint32_t which) {
  for (std::uint32_t address = 0; address < kDevices; ++address) {
    const PciDevice device{static_cast<std::uint16_t>(address)};
    if (device.Read32(0) == (std::uint32_t{kind} << 16 | vendor) && which-- == 0)
      return device;
  }
  return Status::kNotFound;
}

Result<MsiX> MsiX::Of(const PciDevice& device) {
  MsiX msix;
  msix.device_ = device;
  msix.capability_ = device.Capability(kMsiXCapability);
  if (msix.capability_ == 0)
    return Status::kNotFound;
  msix.count_ = (device.Read16(msix.capability_ + 2) & 0x7ff) + 1u;
  const std::uint32_t place = device.Read32(msix.capability_ + 4);
  const machine::PhysAddr bar = TRY(device.Bar(place & 7));
  msix.table_ = static_cast<volatile std::uint32_t*>(
      TRY(machine::MapDevice(bar + (place & ~7u), msix.count_ * 16)));
  return msix;
}

Status MsiX::Set(std::uint32_t entry, machine::IrqVector irq) {
  if (entry >= count_)
    return Status::kOutOfRange;
  const machine::MsiMessage message = machine::MsiFor(irq);
  volatile std::uint32_t* words = table_ + entry * 4;
  words[3] = 1;  // masked while it changes
  words[0] = static_cast<std::uint32_t>(message.address);
  words[1] = static_cast<std::uint32_t>(message.address >> 32);
  words[2] = message.data;
  words[3] = 0;
  return Status::kOk;
}

void MsiX::Enable() const {
  constexpr std::uint16_t kEnable = 1u << 15;
  constexpr std::uint16_t kMaskAll = 1u << 14;
  const std::uint16_t control = device_.Read16(capability_ + 2);
  device_.Write16(capability_ + 2, static_cast<std::uint16_t>((control | kEnable) & ~kMaskAll));
}

}  // namespace k42::drivers
