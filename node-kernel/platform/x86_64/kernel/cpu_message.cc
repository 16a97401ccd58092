#include "machine/cpu_message.h"

#include "cpu_state.h"
#include "lapic.h"
#include "machine/cpu.h"
#include "machine/stepped_range.h"

namespace k42::machine {

void Send(CpuId cpu, CpuMessage* message) {
  const SteppedRange stepped;
  if (!StateOf(cpu).messages.Push(message)) {
    return;  // whoever found it empty has told the CPU
  }
  if (cpu == CurrentCpu()) {
    ThisCpuArea()->work.fetch_or(kWorkMessages, std::memory_order_relaxed);
  } else {
    SendIpi(cpu, kVectorMessage);
  }
}

}  // namespace k42::machine
