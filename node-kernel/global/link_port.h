// The kernel's end of the link: one pair of rings per CPU, the operations under way, and who hears
// what arrives. The device that carries the doorbells is below an interface
// (drivers/link_device.h), so that all of this runs hosted against the real daemon's code.
//
// Everything of a CPU is used by threads of that CPU only and between two switches, so it needs no
// lock. Requests that find no operation for their peer wait, in order of their peer's
// (link_lanes.h). A request's end is reported on the CPU that submitted it.
//
// A daemon may die and come back: operations stay in the arena, and the next daemon ends them
// (abi/link_operation.h). Nothing here notices, but the generation it acknowledges.
//
// kCorrupt from the daemon's side of a ring stops that CPU's half of the link for good (broken()):
// this kernel's requests then stay unended, their waiters' deadlines end the waits.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "abi/receive_ring.h"
#include "abi/submit_ring.h"
#include "global/link.h"
#include "global/link_lanes.h"
#include "machine/cpu.h"

namespace k42::global {

// Wakes the daemon for a CPU's rings.
class LinkDoorbell {
 public:
  virtual void Kick(machine::CpuId cpu) = 0;

 protected:
  ~LinkDoorbell() = default;
};

class LinkPort final : public Link {
 public:
  constexpr LinkPort() = default;

  // Formats the arena and makes the ports. Before any other CPU uses this. kNoSpace: the arena is
  // too small for so many CPUs.
  Status Start(std::byte* arena, std::uint64_t size, std::uint32_t cpus, LinkDoorbell& doorbell);
  bool started() const { return started_; }
  // Before messages can arrive.
  void SetReceiver(abi::Channel channel, LinkReceiver& receiver);

  // -- threads of the CPU concerned --
  void Submit(LinkRequest& request) override;
  // Handles what has arrived for this CPU, 64 records at most; returns how many that were.
  std::size_t Drain();
  // Before the link thread sleeps. False: something came meanwhile, Drain again.
  bool PrepareSleep();
  bool broken(machine::CpuId cpu) const { return cpus_[cpu].broken; }

  // -- any thread --
  // Lives: called at least every kHeartbeatPeriodNs.
  void Beat(std::uint64_t now_ns);
  // Has that CPU records to drain? To be asked with every beat: quiet ends wake nobody.
  bool Waiting(machine::CpuId cpu) const;
  // Has the daemon an identity for us, and which?
  bool Up() const;
  LinkPeer Self() const override;
  std::uint32_t DaemonGeneration() const;
  // May this node decide for the cluster at `now_ns`?
  bool HasAuthority(std::uint64_t now_ns) const;
  // The view that this kernel works by; goes into every frame.
  void InstallEpoch(std::uint64_t epoch);
  std::uint64_t epoch() const;

  LinkMemory& memory() override { return memory_; }

 private:
  struct Cpu {
    abi::SubmitProducer submit;
    abi::ReceiveConsumer receive;
    ArenaRange buffers;  // of messages, one per operation
    LinkRequest* under_way[abi::kOperationsPerCpu] = {};
    std::uint32_t use_count[abi::kOperationsPerCpu] = {};
    LinkLanes lanes;
    std::uint32_t issued = 0;  // operations so far
    bool broken = false;
  };

  abi::ArenaHeader& header() const { return *reinterpret_cast<abi::ArenaHeader*>(base_); }
  abi::DaemonHeader& daemon() const {
    return *reinterpret_cast<abi::DaemonHeader*>(base_ + abi::kArenaPage);
  }
  void Issue(machine::CpuId number, LinkLanes::Lane lane, LinkRequest& request);
  Status WriteMessage(const ArenaRange& buffers, std::uint32_t index, LinkRequest& request,
                      abi::Operation& operation);
  void OnRecord(machine::CpuId number, const abi::ReceivedRecord& record);
  void OnCompletion(machine::CpuId number, std::uint64_t id);
  void Break(machine::CpuId number);

  bool started_ = false;
  std::byte* base_ = nullptr;
  LinkDoorbell* doorbell_ = nullptr;
  abi::ArenaLayout layout_{};
  LinkReceiver* receivers_[abi::kChannelCount] = {};
  LinkMemory memory_;
  Cpu cpus_[machine::kMaxCpus];
};

}  // namespace k42::global
