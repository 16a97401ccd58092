// GlobalNode: this node's part in global objects. Per CPU a call layer with its clock, and threads
// that serve what other nodes ask; for the whole node the table of exported objects.
//
// All of a CPU's part is used by that CPU's threads only, so it needs no lock; the endpoint brings
// messages on the CPU they are for. A serving thread is an ordinary kernel thread: what it calls
// may block. At most kServers requests of a CPU are executed at once; others wait in order.
#pragma once

#include <cstdint>

#include "base/allocator.h"
#include "base/intrusive_queue.h"
#include "global/call_layer.h"
#include "global/export_table.h"
#include "machine/thread.h"
#include "machine/timer.h"

namespace k42::global {

class GlobalNode {
 public:
  static constexpr std::uint32_t kServers = 4;  // per CPU

  GlobalNode(Endpoint& endpoint, Allocator& allocator)
      : endpoint_(endpoint), allocator_(allocator) {}
  GlobalNode(const GlobalNode&) = delete;
  GlobalNode& operator=(const GlobalNode&) = delete;

  // Makes `cpu`'s part. Once per CPU, before messages can arrive there.
  Status AddCpu(machine::CpuId cpu);

  Endpoint& endpoint() { return endpoint_; }
  ExportTable& exports() { return exports_; }

  // Waits for the end (BlockExternal); call.end and call.status tell it. Any CPU with a part.
  void RunCall(Call& call);

  // From the endpoint, on the CPU concerned.
  void OnMessage(LinkPeer from, const abi::Frame& frame, Bytes payload);
  void OnPeerDown(LinkPeer peer, Status why);

 private:
  // A request that waits for a serving thread, with its bytes behind it.
  struct Request : QueueLink<> {
    IncomingCall call;
    std::size_t size = 0;
    std::byte* bytes() { return reinterpret_cast<std::byte*>(this + 1); }
  };
  struct PerCpu final : Executor {
    PerCpu(GlobalNode& owner, machine::CpuId cpu)
        : node(owner), layer(owner.endpoint_, *this, owner.allocator_, cpu) {}
    void Execute(const IncomingCall& call) override;
    void Serve(Request& request);
    static void ServeForEver(void* cpu);

    GlobalNode& node;
    CallLayer layer;
    machine::Timer tick;
    IntrusiveQueue<Request> waiting;
    machine::Thread* idle[kServers] = {};
    std::uint32_t servers = 0;
  };
  PerCpu& Here() { return *cpus_[machine::CurrentCpu()]; }
  void Tick(PerCpu& cpu);

  Endpoint& endpoint_;
  Allocator& allocator_;
  ExportTable exports_;
  PerCpu* cpus_[machine::kMaxCpus] = {};
};

}  // namespace k42::global
