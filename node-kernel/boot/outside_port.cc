#include "boot/outside_port.h"

#include <cstring>

#include "machine/log.h"
#include "mem/heap.h"

namespace k42::boot {

Status OutsidePort::Start(io::OutsideAgent& agent, global::LinkControl& control) {
  agent_ = &agent;
  control_ = &control;
  thread_ = TRY(machine::Thread::Create("outside", Serve, this, 0));
  control.SetHandler(abi::ControlKind::kOffloadSession, *this);
  control.SetHandler(abi::ControlKind::kOffloadMessage, *this);
  return Status::kOk;
}

Status OutsidePort::Send(const abi::OffloadHeader& header, Bytes payload) {
  return control_->Send(abi::ControlKind::kOffloadMessage, 0, BytesOf(header), payload);
}

void OutsidePort::OnControl(abi::ControlKind kind, std::uint64_t, Bytes payload) {
  void* block = mem::Allocate(sizeof(Arrived) + payload.size());
  if (block == nullptr) {
    lost_ = true;
  } else {
    auto* arrived = new (block) Arrived;
    arrived->kind = kind;
    arrived->size = payload.size();
    if (!payload.empty())
      std::memcpy(arrived + 1, payload.data(), payload.size());
    arrived_.PushBack(arrived);
  }
  WakeAgent();
}

void OutsidePort::TakeArrived() {
  while (Arrived* arrived = arrived_.PopFront()) {
    const Bytes payload(reinterpret_cast<const std::byte*>(arrived + 1), arrived->size);
    if (arrived->kind == abi::ControlKind::kOffloadSession) {
      if (const auto session = ReadAt<abi::OffloadSession>(payload, 0); session.ok())
        agent_->OnSession(session.value().life, session.value().session);
    } else if (const auto header = ReadAt<abi::OffloadHeader>(payload, 0); header.ok()) {
      agent_->OnMessage(header.value(), payload.subspan(sizeof(abi::OffloadHeader)));
    }
    const std::size_t size = sizeof(Arrived) + arrived->size;
    arrived->~Arrived();
    mem::Free(arrived, size);
    machine::Thread::PreemptionPoint();
  }
}

void OutsidePort::Serve(void* argument) {
  auto& port = *static_cast<OutsidePort*>(argument);
  for (;;) {
    port.TakeArrived();
    if (std::exchange(port.lost_, false)) {
      machine::Log("outside: a message was lost for want of memory: connections are reset");
      port.agent_->OnSession(0, 0);
    }
    port.agent_->Serve();
    if (port.arrived_.empty())
      machine::Thread::BlockExternal();
  }
}

}  // namespace k42::boot
