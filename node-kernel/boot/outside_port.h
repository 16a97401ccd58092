// The way between io's OutsideAgent and the node's daemon, who passes everything on to k42-offload:
// control messages of two kinds (abi/link_control.h), and the agent's thread, on CPU 0.
//
// What arrives is copied into a queue on the link thread of CPU 0, which must not block; the
// agent's thread, on the same CPU, takes it from there, so the queue needs no lock.
#pragma once

#include "base/intrusive_queue.h"
#include "global/link_control.h"
#include "io/outside_agent.h"
#include "machine/thread.h"

namespace k42::boot {

class OutsidePort final : public io::OutsidePort, public global::ControlHandler {
 public:
  constexpr OutsidePort() = default;

  // With link and processes started, on CPU 0.
  Status Start(io::OutsideAgent& agent, global::LinkControl& control);

  Status Send(const abi::OffloadHeader& header, Bytes payload) override;
  void WakeAgent() override { thread_->Unblock(); }
  void OnControl(abi::ControlKind kind, std::uint64_t number, Bytes payload) override;

 private:
  // One message; its payload lies behind it in the same block.
  struct Arrived : QueueLink<> {
    abi::ControlKind kind{};
    std::size_t size = 0;  // of the payload
  };

  static void Serve(void* port);
  void TakeArrived();

  io::OutsideAgent* agent_ = nullptr;
  global::LinkControl* control_ = nullptr;
  machine::Thread* thread_ = nullptr;
  IntrusiveQueue<Arrived> arrived_;
  bool lost_ = false;  // something could not be kept: no connection can be trusted
};

}  // namespace k42::boot
