#include "drivers/link_device.h"

#include <cstring>

#include "cobj/object_system.h"
#include "machine/boot_info.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/log.h"
#include "mem/heap.h"

namespace k42::drivers {
namespace {

constexpr std::uint16_t kBlockDevice = 2;
constexpr std::uint32_t kQueueSize = 16;
constexpr std::uint32_t kMagicOffset = 8;
constexpr char kMagic[] = "K42LINK1";

}  // namespace

// The block device whose other end says that it is a link.
Status LinkDevice::FindCarrier() {
  for (std::uint32_t which = 0;; ++which) {
    const PciDevice pci = TRY(FindPciDevice(kVirtioVendor, VirtioKind(kBlockDevice), which));
    VirtioDevice device = TRY(VirtioDevice::Open(pci));
    device.Reset();
    bool ours = true;
    for (std::uint32_t i = 0; i < sizeof kMagic - 1; ++i)
      ours &= device.ReadConfig8(kMagicOffset + i) == static_cast<std::uint8_t>(kMagic[i]);
    if (ours) {
      device_ = device;
      return Status::kOk;
    }
  }
}

Status LinkDevice::StartQueue(machine::CpuId number, MsiX& vectors) {
  Cpu& cpu = cpus_[number];
  cpu.device = this;
  cpu.thread = TRY(machine::Thread::Create("link", RunThread, &cpu, number));
  const machine::IrqVector irq = TRY(machine::AllocateIrq(number, OnInterrupt, &cpu));
  // Entry 0 is for configuration changes, which this device has none of.
  TRY(vectors.Set(number + 1, irq));
  // An empty split queue: never used, but the device wants to know where it is.
  void* page = mem::Allocate(machine::kPageSize);
  if (page == nullptr)
    return Status::kNoMemory;
  std::memset(page, 0, machine::kPageSize);
  const machine::PhysAddr at = machine::VirtToPhys(page);
  return device_.SetQueue(number, kQueueSize, {at, at + 0x400, at + 0x800},
                          static_cast<std::uint16_t>(number + 1));
}

Status LinkDevice::Start() {
  const machine::PhysRange arena = machine::GetBootInfo().arena;
  if (arena.size() == 0)
    return Status::kNotFound;
  TRY(FindCarrier());
  const std::uint32_t cpus = machine::CpuCount();
  // What the firmware calls memory ends below its tables at the arena's top.
  const std::uint64_t size = abi::AlignUp(arena.size(), abi::kChunkSize);
  TRY(port_.Start(machine::PhysToVirt<std::byte>(arena.begin), size, cpus, *this));
  port_.Beat(machine::MonotonicNs());
  TRY(device_.Negotiate(kVirtioVersion1, kVirtioVersion1));
  MsiX vectors = TRY(MsiX::Of(device_.pci()));
  if (device_.QueueCount() < cpus || vectors.count() < cpus + 1)
    return Status::kNotSupported;
  for (machine::CpuId cpu = 0; cpu < cpus; ++cpu) TRY(StartQueue(cpu, vectors));
  vectors.Enable();
  device_.Start();
  heartbeat_ = TRY(mem::New<machine::Timer>());
  OnHeartbeat(this);
  Kick(0);
  machine::Log("link: arena of {} MiB at {x}, {} ring pairs", size >> 20, arena.begin, cpus);
  return Status::kOk;
}

void LinkDevice::Kick(machine::CpuId cpu) {
  device_.Notify(cpu);
}

void LinkDevice::OnInterrupt(void* argument) {
  static_cast<Cpu*>(argument)->thread->Unblock();
}

void LinkDevice::RunThread(void* argument) {
  global::LinkPort& port = static_cast<Cpu*>(argument)->device->port_;
  for (;;) {
    while (port.Drain() != 0) {
      cobj::QuietPoint();
      machine::Thread::PreemptionPoint();
    }
    if (port.PrepareSleep())
      machine::Thread::BlockExternal();
  }
}

void LinkDevice::OnHeartbeat(void* argument) {
  auto* device = static_cast<LinkDevice*>(argument);
  const std::uint64_t now = machine::MonotonicNs();
  device->port_.Beat(now);
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    if (device->port_.Waiting(cpu))
      device->cpus_[cpu].thread->Unblock();
  }
  device->heartbeat_->Arm(now + abi::kHeartbeatPeriodNs / 2, OnHeartbeat, device);
}

}  // namespace k42::drivers
