// One-shot timers of one virtual CPU; see platform/x86_64/kernel/machine/timer.h.
#pragma once

#include <cstdint>

#include "platform/contract/types.h"

namespace k42::machine {

class Timer {
 public:
  using Callback = void (*)(void*);

  Timer() = default;
  ~Timer() { Cancel(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void Arm(std::uint64_t deadline_ns, Callback callback, void* argument);
  bool Cancel();
  bool armed() const { return armed_; }
  std::uint64_t deadline() const { return deadline_; }

 private:
  friend class VirtualCpu;
  std::uint64_t deadline_ = 0;
  Callback callback_ = nullptr;
  void* argument_ = nullptr;
  CpuId cpu_ = 0;
  bool armed_ = false;
};

}  // namespace k42::machine
