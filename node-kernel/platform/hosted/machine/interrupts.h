// A simulated interrupt flag per host thread: nothing is ever interrupted, but whoever blocks or
// takes a blocking lock with the flag off is caught.
#pragma once

#include <cstdint>

namespace k42::machine {

namespace detail {
extern constinit thread_local bool interrupts_on;
}

inline bool InterruptsEnabled() {
  return detail::interrupts_on;
}
inline void DisableInterrupts() {
  detail::interrupts_on = false;
}
inline void EnableInterrupts() {
  detail::interrupts_on = true;
}

// Off from construction to destruction; nests.
class InterruptsOff {
 public:
  InterruptsOff() : were_on_(InterruptsEnabled()) { DisableInterrupts(); }
  ~InterruptsOff() {
    if (were_on_)
      EnableInterrupts();
  }
  InterruptsOff(const InterruptsOff&) = delete;
  InterruptsOff& operator=(const InterruptsOff&) = delete;

 private:
  const bool were_on_;
};

}  // namespace k42::machine
