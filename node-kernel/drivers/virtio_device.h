// A virtio device of the modern (1.0) PCI form: registers, features, queues' places, doorbells.
// What lies in a queue is its driver's business.
//
//   Open -> Reset -> Negotiate -> SetQueue (each) -> Start -> Notify ...
// Reset first, always: the firmware may have driven the device already.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "drivers/pci.h"

namespace k42::drivers {

inline constexpr std::uint16_t kVirtioVendor = 0x1af4;
constexpr std::uint16_t VirtioKind(std::uint16_t device_id) {
  return static_cast<std::uint16_t>(0x1040 + device_id);
}
inline constexpr std::uint64_t kVirtioVersion1 = 1ull << 32;
inline constexpr std::uint16_t kNoVector = 0xffff;

// Physical addresses of a split queue's three parts.
struct VirtioQueuePlaces {
  machine::PhysAddr descriptors;
  machine::PhysAddr available;
  machine::PhysAddr used;
};

class VirtioDevice {
 public:
  VirtioDevice() = default;
  // Maps the device's registers; kNotSupported if it is not of the modern form.
  static Result<VirtioDevice> Open(const PciDevice& device);

  void Reset();
  // Takes what both sides know of `wanted`; kVersionMismatch if any of `required` is missing.
  Result<std::uint64_t> Negotiate(std::uint64_t wanted, std::uint64_t required);
  std::uint32_t QueueCount() const;
  std::uint32_t MaxQueueSize(std::uint32_t queue);
  // `size` descriptors, a power of two; `vector` is an MSI-X entry or kNoVector.
  Status SetQueue(std::uint32_t queue, std::uint32_t size, const VirtioQueuePlaces& places,
                  std::uint16_t vector);
  void Start();  // from here on the device may use the queues
  void Notify(std::uint32_t queue) const;

  std::uint8_t ReadConfig8(std::uint32_t offset) const { return config_[offset]; }
  std::uint16_t ReadConfig16(std::uint32_t offset) const;

  const PciDevice& pci() const { return pci_; }

 private:
  static constexpr std::uint32_t kMaxQueues = 65;

  volatile std::uint8_t* MapStructure(std::uint8_t type, std::uint32_t* multiplier) const;
  template <typename T>
  volatile T& Register(std::uint32_t offset) const {
    return *reinterpret_cast<volatile T*>(common_ + offset);
  }

  PciDevice pci_;
  volatile std::uint8_t* common_ = nullptr;
  volatile std::uint8_t* notify_ = nullptr;
  volatile std::uint8_t* config_ = nullptr;
  std::uint32_t notify_multiplier_ = 0;
  std::uint16_t notify_offset_[kMaxQueues] = {};
};

}  // namespace k42::drivers
