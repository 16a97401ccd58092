#include "global/global_node.h"

#include <cstring>
#include <new>

#include "base/assert.h"
#include "cobj/object_system.h"
#include "machine/clock.h"
#include "trace/trace.h"

namespace k42::global {

Status GlobalNode::AddCpu(machine::CpuId cpu) {
  cpus_[cpu] = TRY(allocator_.Make<PerCpu>(*this, cpu));
  return Status::kOk;
}

void GlobalNode::Tick(PerCpu& cpu) {
  const std::uint64_t next = cpu.layer.Tick(machine::MonotonicNs());
  if (next == ~std::uint64_t{0}) {
    cpu.tick.Cancel();
    return;
  }
  cpu.tick.Arm(
      next,
      [](void* argument) {
        auto* part = static_cast<PerCpu*>(argument);
        part->node.Tick(*part);
      },
      &cpu);
}

void GlobalNode::RunCall(Call& call) {
  PerCpu& cpu = Here();
  call.waiter = machine::Thread::Current();
  call.done = [](Call& ended) { static_cast<machine::Thread*>(ended.waiter)->Unblock(); };
  cpu.layer.Start(call, machine::MonotonicNs());
  Tick(cpu);
  while (call.end == CallEnd::kNone) machine::Thread::BlockExternal();
}

void GlobalNode::OnMessage(LinkPeer from, const abi::Frame& frame, Bytes payload) {
  PerCpu* cpu = cpus_[machine::CurrentCpu()];
  if (cpu != nullptr)
    cpu->layer.OnMessage(from, frame, payload, machine::MonotonicNs());
}

void GlobalNode::OnPeerDown(LinkPeer peer, Status why) {
  PerCpu* cpu = cpus_[machine::CurrentCpu()];
  if (cpu != nullptr)
    cpu->layer.OnPeerDown(peer, why);
}

// From the call layer: keeps the request until a serving thread takes it.
void GlobalNode::PerCpu::Execute(const IncomingCall& call) {
  const std::size_t size = sizeof(Request) + call.request.size();
  void* block = node.allocator_.Allocate(size, alignof(Request));
  if (block == nullptr) {
    const std::int64_t refusal[2] = {static_cast<std::int64_t>(Status::kNoMemory), 0};
    layer.Reply(call, BytesOf(refusal));
    return;
  }
  auto* request = ::new (block) Request;
  request->call = call;
  request->size = size;
  std::memcpy(request->bytes(), call.request.data(), call.request.size());
  request->call.request = Bytes(request->bytes(), call.request.size());
  waiting.PushBack(request);
  for (machine::Thread*& thread : idle) {
    if (thread != nullptr) {
      thread->Unblock();
      thread = nullptr;
      return;
    }
  }
  if (servers < kServers &&
      machine::Thread::Create("global server", &ServeForEver, this, machine::CurrentCpu()).ok())
    ++servers;
}

void GlobalNode::PerCpu::ServeForEver(void* argument) {
  auto& cpu = *static_cast<PerCpu*>(argument);
  for (;;) {
    while (Request* request = cpu.waiting.PopFront()) {
      cpu.Serve(*request);
      cobj::QuietPoint();
    }
    machine::Thread* self = machine::Thread::Current();
    machine::Thread** place = nullptr;
    for (machine::Thread*& thread : cpu.idle) {
      if (thread == self)
        thread = nullptr;  // a wake-up that was not ours
      if (place == nullptr && thread == nullptr)
        place = &thread;
    }
    K42_ASSERT(place != nullptr, "one place per server");
    *place = self;
    machine::Thread::BlockExternal();
  }
}

void GlobalNode::PerCpu::Serve(Request& request) {
  trace::Log(trace::kCallExecute, request.call.sequence, request.call.from.node,
             request.call.caller_cpu);
  std::byte bytes[cobj::kWireMax];
  cobj::ReplyWriter reply(bytes);
  cobj::WireReader reader(request.call.request);
  cobj::CallContext caller;
  caller.node = request.call.from.node;
  caller.rights = kAllRights;
  ExportTable::Found found{};
  const Status status = node.exports_.Find(node.endpoint_.Self(), request.call.object,
                                           request.call.class_digest, &found);
  if (status == Status::kOk)
    found.type->serve(found.object, request.call.method, caller, reader, reply);
  else
    reply.Finish(status);
  layer.Reply(request.call, reply.written());
  node.allocator_.Free(&request, request.size);
}

}  // namespace k42::global
