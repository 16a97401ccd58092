// One-shot timers of one CPU.
//
// Arm(deadline, fn, arg): fn(arg) runs on the arming CPU, in thread context on its event loop, at
// or soon after MonotonicNs() == deadline. Arming an armed timer moves it. Cancel returns whether
// the callback was prevented; false means it has run (or was never armed): on the arming CPU there
// is no state between. Arm, Cancel and the destructor must be called on one CPU: while armed, the
// one that armed it.
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
  friend class TimerQueue;
  std::uint64_t deadline_ = 0;
  Callback callback_ = nullptr;
  void* argument_ = nullptr;
  Timer* child_ = nullptr;     // pairing heap: first child,
  Timer* sibling_ = nullptr;   // next child of the same parent,
  Timer* previous_ = nullptr;  // previous sibling, or the parent for a first child
  CpuId cpu_ = 0;
  bool armed_ = false;
};

}  // namespace k42::machine
