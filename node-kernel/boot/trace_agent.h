// What the daemon asks of the tracer: which classes are recorded, and what this node's clock says.
// The records themselves the daemon reads out of the node's memory (abi/trace_area.h).
#pragma once

#include "global/link_control.h"

namespace k42::boot {

class TraceAgent final : public global::ControlHandler {
 public:
  constexpr TraceAgent() = default;

  // Before messages can arrive.
  void Start(global::LinkControl& control);

  void OnControl(abi::ControlKind kind, std::uint64_t number, Bytes payload) override;

 private:
  void ChangeMask(std::uint64_t number, Bytes payload);

  global::LinkControl* control_ = nullptr;
};

}  // namespace k42::boot
