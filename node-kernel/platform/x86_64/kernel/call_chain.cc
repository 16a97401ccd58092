// Where a thread stands: its state and its call chain, for whoever has to explain a stuck kernel.
#include "backtrace.h"
#include "machine/cpu.h"
#include "machine/log.h"
#include "machine/thread.h"

namespace k42::machine {

void Thread::LogCallChain() const {
  if (this == Current()) {
    Log("  thread {} of CPU {} runs", name_, cpu_);
    PrintBacktrace(0, reinterpret_cast<std::uint64_t>(__builtin_frame_address(0)));
    return;
  }
  if (this == AreaOf(cpu_)->current) {
    Log("  thread {} runs on CPU {}", name_, cpu_);
    return;
  }
  Log("  thread {} of CPU {} {}", name_, cpu_, IsBlocked() ? "is blocked" : "is ready");
  // What SwitchStacks left: r15 r14 r13 r12 rbx rbp, the return address.
  const auto* saved = reinterpret_cast<const std::uint64_t*>(saved_rsp_);
  PrintBacktrace(saved[6], saved[5]);
}

}  // namespace k42::machine
