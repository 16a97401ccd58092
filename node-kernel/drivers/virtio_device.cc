#include "drivers/virtio_device.h"

#include "machine/cpu.h"

namespace k42::drivers {
namespace {

constexpr std::uint8_t kVendorCapability = 0x09;
enum Structure : std::uint8_t { kCommon = 1, kNotify = 2, kDeviceConfig = 4 };

// Common configuration, VIRTIO 1.1 section 4.1.4.3.
enum Offset : std::uint32_t {
  kDeviceFeatureSelect = 0x00,
  kDeviceFeature = 0x04,
  kDriverFeatureSelect = 0x08,
  kDriverFeature = 0x0c,
  kConfigVector = 0x10,
  kNumQueues = 0x12,
  kDeviceStatus = 0x14,
  kQueueSelect = 0x16,
  kQueueSize = 0x18,
  kQueueVector = 0x1a,
  kQueueEnable = 0x1c,
  kQueueNotifyOffset = 0x1e,
  kQueueDescriptors = 0x20,
  kQueueAvailable = 0x28,
  kQueueUsed = 0x30,
};

enum StatusBit : std::uint8_t {
  kAcknowledge = 1,
  kDriver = 2,
  kDriverOk = 4,
  kFeaturesOk = 8,
};

}  // namespace

// The structure's registers, or null. PCI capabilities of the vendor's kind say where each lies.
volatile std::uint8_t* VirtioDevice::MapStructure(std::uint8_t type,
                                                  std::uint32_t* multiplier) const {
  for (std::uint32_t at = pci_.Capability(kVendorCapability); at != 0;
       at = pci_.Capability(kVendorCapability, at)) {
    if (pci_.Read8(at + 3) != type)
      continue;
    const auto bar = pci_.Bar(pci_.Read8(at + 4));
    if (!bar.ok())
      continue;
    const std::uint32_t offset = pci_.Read32(at + 8);
    const std::uint32_t length = pci_.Read32(at + 12);
    if (multiplier != nullptr)
      *multiplier = pci_.Read32(at + 16);
    const auto mapped = machine::MapDevice(bar.value() + offset, length);
    return mapped.ok() ? static_cast<volatile std::uint8_t*>(mapped.value()) : nullptr;
  }
  return nullptr;
}

Result<VirtioDevice> VirtioDevice::Open(const PciDevice& device) {
  VirtioDevice virtio;
  virtio.pci_ = device;
  device.Enable();
  virtio.common_ = virtio.MapStructure(kCommon, nullptr);
  virtio.notify_ = virtio.MapStructure(kNotify, &virtio.notify_multiplier_);
  virtio.config_ = virtio.MapStructure(kDeviceConfig, nullptr);
  if (virtio.common_ == nullptr || virtio.notify_ == nullptr)
    return Status::kNotSupported;
  return virtio;
}

void VirtioDevice::Reset() {
  Register<std::uint8_t>(kDeviceStatus) = 0;
  while (Register<std::uint8_t>(kDeviceStatus) != 0) machine::Pause();
  Register<std::uint8_t>(kDeviceStatus) = kAcknowledge;
  Register<std::uint8_t>(kDeviceStatus) = kAcknowledge | kDriver;
}

Result<std::uint64_t> VirtioDevice::Negotiate(std::uint64_t wanted, std::uint64_t required) {
  Register<std::uint32_t>(kDeviceFeatureSelect) = 0;
  std::uint64_t offered = Register<std::uint32_t>(kDeviceFeature);
  Register<std::uint32_t>(kDeviceFeatureSelect) = 1;
  offered |= std::uint64_t{Register<std::uint32_t>(kDeviceFeature)} << 32;
  const std::uint64_t taken = offered & (wanted | required);
  if ((taken & required) != required)
    return Status::kVersionMismatch;
  Register<std::uint32_t>(kDriverFeatureSelect) = 0;
  Register<std::uint32_t>(kDriverFeature) = static_cast<std::uint32_t>(taken);
  Register<std::uint32_t>(kDriverFeatureSelect) = 1;
  Register<std::uint32_t>(kDriverFeature) = static_cast<std::uint32_t>(taken >> 32);
  Register<std::uint8_t>(kDeviceStatus) = kAcknowledge | kDriver | kFeaturesOk;
  if ((Register<std::uint8_t>(kDeviceStatus) & kFeaturesOk) == 0)
    return Status::kVersionMismatch;
  Register<std::uint16_t>(kConfigVector) = kNoVector;
  return taken;
}

std::uint32_t VirtioDevice::QueueCount() const {
  return Register<std::uint16_t>(kNumQueues);
}

std::uint32_t VirtioDevice::MaxQueueSize(std::uint32_t queue) {
  Register<std::uint16_t>(kQueueSelect) = static_cast<std::uint16_t>(queue);
  return Register<std::uint16_t>(kQueueSize);
}

Status VirtioDevice::SetQueue(std::uint32_t queue, std::uint32_t size,
                              const VirtioQueuePlaces& places, std::uint16_t vector) {
  if (queue >= kMaxQueues || queue >= QueueCount() || size > MaxQueueSize(queue))
    return Status::kOutOfRange;
  Register<std::uint16_t>(kQueueSize) = static_cast<std::uint16_t>(size);
  Register<std::uint16_t>(kQueueVector) = vector;
  if (Register<std::uint16_t>(kQueueVector) != vector)
    return Status::kNoSpace;  // the device has no room for another vector
  const auto write = [this](std::uint32_t offset, std::uint64_t value) {
    Register<std::uint32_t>(offset) = static_cast<std::uint32_t>(value);
    Register<std::uint32_t>(offset + 4) = static_cast<std::uint32_t>(value >> 32);
  };
  write(kQueueDescriptors, places.descriptors);
  write(kQueueAvailable, places.available);
  write(kQueueUsed, places.used);
  notify_offset_[queue] = Register<std::uint16_t>(kQueueNotifyOffset);
  Register<std::uint16_t>(kQueueEnable) = 1;
  return Status::kOk;
}

void VirtioDevice::Start() {
  Register<std::uint8_t>(kDeviceStatus) = kAcknowledge | kDriver | kFeaturesOk | kDriverOk;
}

void VirtioDevice::Notify(std::uint32_t queue) const {
  auto* doorbell = notify_ + std::uint64_t{notify_offset_[queue]} * notify_multiplier_;
  *reinterpret_cast<volatile std::uint16_t*>(doorbell) = static_cast<std::uint16_t>(queue);
}

std::uint16_t VirtioDevice::ReadConfig16(std::uint32_t offset) const {
  return static_cast<std::uint16_t>(config_[offset] | config_[offset + 1] << 8);
}

}  // namespace k42::drivers
