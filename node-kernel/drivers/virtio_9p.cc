#include "drivers/virtio_9p.h"

#include <bit>
#include <cstring>
#include <new>

#include "machine/cpu.h"
#include "machine/phys.h"
#include "mem/heap.h"

namespace k42::drivers {
namespace {
constexpr std::uint16_t kDeviceId = 9;
constexpr std::uint16_t kTransitionalKind = 0x1009;
constexpr std::uint64_t kFeatureMountTag = 1;
constexpr std::uint64_t kFeatureIndirect = 1ull << 28;
constexpr std::uint16_t kNext = 1;
constexpr std::uint16_t kDeviceWrites = 2;
constexpr std::uint16_t kIndirect = 4;
constexpr std::uint32_t kQueue = 0;
constexpr std::uint16_t kVectorEntry = 0;
}  // namespace

Result<Virtio9P*> Virtio9P::Open(std::uint32_t which) {
  auto pci = FindPciDevice(kVirtioVendor, VirtioKind(kDeviceId), which);
  if (pci.status() == Status::kNotFound) {  // QEMU's default form, which knows both protocols
    pci = FindPciDevice(kVirtioVendor, kTransitionalKind, which);
  }
  TRY(pci);
  auto* made = TRY(mem::New<Virtio9P>());
  const Status status = made->Start(pci.value());
  if (!IsOk(status)) {
    mem::Delete(made);
    return status;
  }
  return made;
}

Status Virtio9P::Start(const PciDevice& pci) {
  pci.Enable();
  device_ = TRY(VirtioDevice::Open(pci));
  device_.Reset();
  TRY(device_.Negotiate(kVirtioVersion1 | kFeatureMountTag | kFeatureIndirect,
                        kVirtioVersion1 | kFeatureMountTag | kFeatureIndirect));
  ReadTag();
  if (device_.MaxQueueSize(kQueue) < kSlots) {
    return Status::kNotSupported;
  }
  void* memory = mem::Allocate(sizeof(Rings));
  if (memory == nullptr) {
    return Status::kNoMemory;
  }
  std::memset(memory, 0, sizeof(Rings));
  arrival_.device = this;
  arrival_.handler = &OnMessage;
  MsiX interrupts = TRY(MsiX::Of(pci));
  const machine::IrqVector irq =
      TRY(machine::AllocateIrq(machine::CurrentCpu(), &OnInterrupt, this));
  TRY(interrupts.Set(kVectorEntry, irq));
  interrupts.Enable();
  rings_ = ::new (memory) Rings;
  const VirtioQueuePlaces places = {machine::VirtToPhys(rings_->descriptors),
                                    machine::VirtToPhys(&rings_->available),
                                    machine::VirtToPhys(&rings_->used)};
  TRY(device_.SetQueue(kQueue, kSlots, places, kVectorEntry));
  device_.Start();
  return Status::kOk;
}

void Virtio9P::ReadTag() {
  const std::size_t size = device_.ReadConfig16(0);
  tag_size_ = size < kTagMax ? size : kTagMax;
  for (std::size_t i = 0; i < tag_size_; ++i) {
    tag_[i] = static_cast<char>(device_.ReadConfig8(static_cast<std::uint32_t>(2 + i)));
  }
}

// Fills the slot's indirect table; returns its length. First what the device reads.
std::uint32_t Virtio9P::Describe(fs::ninep::Request& request, Descriptor* table) {
  std::uint32_t count = 0;
  const auto add = [&](machine::PhysAddr address, std::size_t size, std::uint16_t flags) {
    table[count] = {address, static_cast<std::uint32_t>(size),
                    static_cast<std::uint16_t>(flags | kNext),
                    static_cast<std::uint16_t>(count + 1)};
    ++count;
  };
  add(machine::VirtToPhys(request.message().data()), request.message().size(), 0);
  for (const auto& segment : request.out_data()) {
    add(segment.address, segment.size, 0);
  }
  add(machine::VirtToPhys(request.front().data()), request.front().size(), kDeviceWrites);
  for (const auto& segment : request.in_data()) {
    add(segment.address, segment.size, kDeviceWrites);
  }
  table[count - 1].flags &= static_cast<std::uint16_t>(~kNext);
  return count;
}

std::uint32_t Virtio9P::TakeSlot() {
  const machine::SpinGuard guard(lock_);
  for (std::uint32_t word = 0; word < kSlots / 64; ++word) {
    if (free_[word] != 0) {
      const auto bit = static_cast<std::uint32_t>(std::countr_zero(free_[word]));
      free_[word] &= free_[word] - 1;
      return word * 64 + bit;
    }
  }
  return kSlots;
}

Status Virtio9P::Submit(fs::ninep::Request* request) {
  const std::uint32_t slot = TakeSlot();
  if (slot == kSlots) {
    return Status::kBusy;
  }
  Descriptor* table = rings_->indirect[slot];
  const std::uint32_t count = Describe(*request, table);
  rings_->descriptors[slot] = {machine::VirtToPhys(table),
                               static_cast<std::uint32_t>(count * sizeof(Descriptor)), kIndirect,
                               0};
  {
    const machine::SpinGuard guard(lock_);
    in_flight_[slot] = request;
    const std::uint16_t index = rings_->available.index.load(std::memory_order_relaxed);
    rings_->available.ring[index % kSlots] = static_cast<std::uint16_t>(slot);
    rings_->available.index.store(static_cast<std::uint16_t>(index + 1), std::memory_order_release);
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);  // the ring before the doorbell
  device_.Notify(kQueue);
  return Status::kOk;
}

void Virtio9P::OnInterrupt(void* self) {
  Arrival& arrival = static_cast<Virtio9P*>(self)->arrival_;
  if (!arrival.sent.exchange(true, std::memory_order_acq_rel)) {
    machine::Send(machine::CurrentCpu(), &arrival);
  }
}

void Virtio9P::OnMessage(machine::CpuMessage* message) {
  auto* arrival = static_cast<Arrival*>(message);
  arrival->sent.store(false, std::memory_order_release);  // before the look at the ring
  std::atomic_thread_fence(std::memory_order_seq_cst);
  arrival->device->TakeFinished();
}

void Virtio9P::TakeFinished() {
  while (true) {
    fs::ninep::Request* request = nullptr;
    std::uint32_t size = 0;
    {
      machine::SpinGuard guard(lock_);
      if (used_seen_ == rings_->used.index.load(std::memory_order_acquire)) {
        return;
      }
      const UsedElement element = rings_->used.ring[used_seen_++ % kSlots];
      if (element.id >= kSlots || in_flight_[element.id] == nullptr) {
        continue;  // the device talks nonsense: nobody waits for that
      }
      request = in_flight_[element.id];
      in_flight_[element.id] = nullptr;
      free_[element.id / 64] |= 1ull << element.id % 64;
      size = element.size;
    }
    request->Complete(Status::kOk, size);
  }
}

}  // namespace k42::drivers
