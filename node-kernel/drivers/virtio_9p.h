// virtio-9p: carries 9P messages to and from QEMU's file server. One queue, indirect descriptors:
// each request takes one slot of the ring, whatever its number of segments.
//
// States of a slot: free -> taken -> with the device (in_flight_ set) -> free. There are more slots
// than requests that the client has under way, so Submit always finds one.
// Locking: lock_ guards slots and rings; the descriptors of a taken slot are its taker's. The
// interrupt handler only sends a message to its own CPU;
// the message's handler takes finished requests from the ring and completes them, no lock held.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "drivers/virtio_device.h"
#include "fs/ninep_client.h"
#include "machine/cpu_message.h"
#include "machine/spin_lock.h"

namespace k42::drivers {

class Virtio9P final : public fs::ninep::Transport {
 public:
  // The `which`th (from 0) such device of the machine; kNotFound. Lives for ever.
  static Result<Virtio9P*> Open(std::uint32_t which);

  // What the host calls the export.
  std::string_view tag() const { return {tag_, tag_size_}; }

  Status Submit(fs::ninep::Request* request) override;
  std::size_t MaxMessage() const override { return kMaxMessage; }
  void SetReceiver(fs::ninep::Client*) override {}  // requests know their client

  Virtio9P() = default;

 private:
  static constexpr std::uint32_t kSlots = 128;
  static constexpr std::uint32_t kSegments = 36;  // two fronts, two times 17 pieces of data
  static constexpr std::size_t kMaxMessage = (64 << 10) + 4096;
  static constexpr std::size_t kTagMax = 64;

  // The split ring's parts, as the device sees them.
  struct Descriptor {
    std::uint64_t address;
    std::uint32_t size;
    std::uint16_t flags;
    std::uint16_t next;
  };
  struct Available {
    std::uint16_t flags;
    std::atomic<std::uint16_t> index;
    std::uint16_t ring[kSlots];
  };
  struct UsedElement {
    std::uint32_t id;
    std::uint32_t size;
  };
  struct Used {
    std::uint16_t flags;
    std::atomic<std::uint16_t> index;
    UsedElement ring[kSlots];
  };
  struct Rings {
    Descriptor descriptors[kSlots];
    Available available;
    alignas(8) Used used;
    alignas(16) Descriptor indirect[kSlots][kSegments];
  };

  Status Start(const PciDevice& pci);
  void ReadTag();
  // kSlots: there is none.
  std::uint32_t TakeSlot();
  static std::uint32_t Describe(fs::ninep::Request& request, Descriptor* table);
  static void OnInterrupt(void* self);
  static void OnMessage(machine::CpuMessage* message);
  void TakeFinished();

  struct Arrival : machine::CpuMessage {
    Virtio9P* device = nullptr;
    std::atomic<bool> sent{false};
  };

  VirtioDevice device_;
  Arrival arrival_;
  char tag_[kTagMax];
  std::size_t tag_size_ = 0;
  machine::SpinLock<LockRank::kDeviceQueue> lock_;
  Rings* rings_ = nullptr;  // there before the first request
  std::uint64_t free_[kSlots / 64] K42_GUARDED_BY(lock_) = {~0ull, ~0ull};
  fs::ninep::Request* in_flight_[kSlots] K42_GUARDED_BY(lock_) = {};
  std::uint16_t used_seen_ K42_GUARDED_BY(lock_) = 0;
};

}  // namespace k42::drivers
