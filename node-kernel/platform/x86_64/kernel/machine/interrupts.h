// The interrupt flag of this CPU.
#pragma once

#include <cstdint>

namespace k42::machine {

inline bool InterruptsEnabled() {
  std::uint64_t flags;
  asm volatile("pushfq; popq %0" : "=r"(flags));
  return (flags & 0x200) != 0;
}
inline void DisableInterrupts() {
  asm volatile("cli" ::: "memory");
}
inline void EnableInterrupts() {
  asm volatile("sti" ::: "memory");
}

// Off from construction to destruction; nests.
class InterruptsOff {
 public:
  InterruptsOff() : were_on_(InterruptsEnabled()) { DisableInterrupts(); }
  ~InterruptsOff() {
    if (were_on_) {
      EnableInterrupts();
    }
  }
  InterruptsOff(const InterruptsOff&) = delete;
  InterruptsOff& operator=(const InterruptsOff&) = delete;

 private:
  const bool were_on_;
};

}  // namespace k42::machine
