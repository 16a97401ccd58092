// Tells the daemon which system calls programs asked for in vain (proc/unserved_calls.h).
#pragma once

#include "global/link_control.h"
#include "proc/services.h"

namespace k42::boot {

class UnservedAgent final : public global::ControlHandler {
 public:
  constexpr UnservedAgent() = default;

  // Before messages can arrive.
  void Start(proc::ProcessServices& services, global::LinkControl& control);

  void OnControl(abi::ControlKind kind, std::uint64_t number, Bytes payload) override;

 private:
  proc::ProcessServices* services_ = nullptr;
  global::LinkControl* control_ = nullptr;
};

}  // namespace k42::boot
