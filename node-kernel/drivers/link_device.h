// The device under the link: a vhost-user-blk device that serves no disk (interconnect/carrier.h is
// its other end). Queue n is CPU n's doorbell to the daemon, MSI-X entry n the daemon's to CPU n;
// the queues' own rings stay empty.
//
// Start, on the boot CPU, with all CPUs running: finds arena and device, formats the arena, resets
// the device (the firmware has probed it as a disk), gives each CPU a link thread. A machine
// without arena or device has no link, and is a node all the same.
#pragma once

#include "base/result.h"
#include "drivers/virtio_device.h"
#include "global/link_port.h"
#include "machine/thread.h"
#include "machine/timer.h"

namespace k42::drivers {

class LinkDevice final : public global::LinkDoorbell {
 public:
  explicit constexpr LinkDevice(global::LinkPort& port) : port_(port) {}

  // kNotFound: this machine has no link.
  Status Start();
  void Kick(machine::CpuId cpu) override;

 private:
  struct Cpu {
    LinkDevice* device = nullptr;
    machine::Thread* thread = nullptr;
  };

  Status FindCarrier();
  Status StartQueue(machine::CpuId cpu, MsiX& vectors);
  static void OnInterrupt(void* cpu);
  static void RunThread(void* cpu);
  static void OnHeartbeat(void* device);

  global::LinkPort& port_;
  VirtioDevice device_;
  machine::Timer* heartbeat_ = nullptr;
  Cpu cpus_[machine::kMaxCpus];
};

}  // namespace k42::drivers
