#include "traps.h"

#include <atomic>

#include "backtrace.h"
#include "base/assert.h"
#include "cpu_state.h"
#include "instructions.h"
#include "lapic.h"
#include "machine/cpu.h"
#include "machine/interrupts.h"
#include "machine/log.h"
#include "nmi.h"
#include "panic.h"
#include "platform/contract/trace_hook.h"
#include "scheduler.h"
#include "segments.h"
#include "stepping.h"

namespace k42::machine {
namespace {

constexpr std::uint64_t kFirstInterrupt = 32;
constexpr std::uint64_t kTrapFlag = 0x100;
constexpr std::uint64_t kInterruptFlag = 0x200;
constexpr std::uint64_t kUserEnd = 0x0000'8000'0000'0000;

struct Fixup {
  std::uint64_t at;
  std::uint64_t to;
};
extern "C" const Fixup user_fixups_begin[], user_fixups_end[];

const char* NameOf(std::uint64_t vector) {
  static constexpr const char* kNames[] = {"divide error",
                                           "debug",
                                           "NMI",
                                           "breakpoint",
                                           "overflow",
                                           "bound range",
                                           "invalid opcode",
                                           "no x87",
                                           "double fault",
                                           "x87 overrun",
                                           "invalid TSS",
                                           "segment not present",
                                           "stack fault",
                                           "general protection",
                                           "page fault",
                                           "reserved",
                                           "x87 error",
                                           "alignment check",
                                           "machine check",
                                           "SIMD error",
                                           "virtualization",
                                           "control protection"};
  return vector < std::size(kNames) ? kNames[vector] : "unexpected vector";
}

std::uint64_t FixupFor(std::uint64_t rip) {
  for (const Fixup* fixup = user_fixups_begin; fixup != user_fixups_end; ++fixup) {
    if (fixup->at == rip) {
      return fixup->to;
    }
  }
  return 0;
}

[[noreturn]] void DieOfTrap(const TrapFrame& frame, std::uint64_t address) {
  BeginPanic();
  const bool fault = frame.vector == kVectorPageFault || frame.vector == kVectorDoubleFault;
  const char* const critical = fault ? CriticalStackGuardedAt(address) : nullptr;
  if (fault && Scheduler::IsStackGuard(address)) {
    Log("PANIC: kernel stack overflow (access to {x16} in the guard below the stack)", address);
  } else if (critical != nullptr) {
    Log("PANIC: {} stack overflow (access to {x16} in the guard below the stack)", critical,
        address);
  } else if (frame.vector == kVectorPageFault) {
    Log("PANIC: page fault in the kernel: {} of {x16}, error {x}",
        (frame.error_code & kFaultFetch) != 0   ? "execution"
        : (frame.error_code & kFaultWrite) != 0 ? "write"
                                                : "read",
        address, frame.error_code);
  } else {
    Log("PANIC: {} (vector {}) in the kernel", NameOf(frame.vector), frame.vector);
  }
  PrintRegisters(frame);
  PrintBacktrace(frame.rip, frame.rbp);
  FinishPanic();
}

void HandleInterrupt(std::uint64_t vector, std::uint64_t rip) {
  CpuArea* area = ThisCpuArea();
  TraceEvent(PlatformEvent::kInterrupt, vector, rip);
  ++area->interrupts;
  switch (vector) {
    case kVectorTimer:
      area->work.fetch_or(kWorkTimer, std::memory_order_relaxed);
      break;
    case kVectorMessage:
      area->work.fetch_or(kWorkMessages, std::memory_order_relaxed);
      break;
    case kVectorKick:
      break;  // to end a halt is all it is for
    case kVectorSpurious:
      return;  // wants no end-of-interrupt
    default:
      if (!HandleDeviceInterrupt(static_cast<std::uint8_t>(vector))) {
        Log("interrupt on unused vector {}", vector);
      }
  }
  EndOfInterrupt();
}

void HandleUserException(TrapFrame* frame, std::uint64_t address) {
  Scheduler::Activate();
  if (Scheduler::hooks().user_trap == nullptr) {
    Panic("{} in user mode at {x}, and nobody to handle it", NameOf(frame->vector), frame->rip);
  }
  EnableInterrupts();
  Scheduler::hooks().user_trap(frame, address);
}

// Of code in user_copy.S only; anything else is a bug of the kernel.
bool ResolveUserAccess(TrapFrame* frame, std::uint64_t address) {
  const std::uint64_t fixup = FixupFor(frame->rip);
  if (fixup == 0) {
    return false;
  }
  if (frame->vector == kVectorPageFault && address < kUserEnd &&
      Scheduler::hooks().kernel_page_fault != nullptr) {
    const bool interrupts_on = (frame->rflags & kInterruptFlag) != 0;
    if (interrupts_on) {
      EnableInterrupts();
    }
    const bool resolved = Scheduler::hooks().kernel_page_fault(frame, address);
    DisableInterrupts();
    if (resolved) {
      return true;
    }
  }
  frame->rip = fixup;
  return true;
}

}  // namespace

extern "C" void HandleTrap(TrapFrame* frame) {
  if constexpr (kDebugChecks) {
    if (frame->vector == kVectorDebug && OnStep(frame)) {
      if (frame->from_user() && (frame->rflags & kTrapFlag) == 0) {
        Scheduler::Activate();
        Scheduler::PrepareUserReturn(frame);
      }
      return;
    }
    if (frame->from_user()) {
      ForgetUserSteps(frame);
    }
  }
  if (frame->vector >= kFirstInterrupt) {
    HandleInterrupt(frame->vector, frame->rip);
  } else {
    const std::uint64_t address = frame->vector == kVectorPageFault ? ReadCr2() : 0;
    if (frame->from_user()) {
      HandleUserException(frame, address);
    } else if ((frame->vector != kVectorPageFault && frame->vector != kVectorGeneralProtection) ||
               !ResolveUserAccess(frame, address)) {
      DieOfTrap(*frame, address);
    }
  }
  if (frame->from_user()) {
    Scheduler::Activate();
    Scheduler::PrepareUserReturn(frame);
  }
}

extern "C" void HandleCriticalTrap(TrapFrame* frame) {
  if (frame->vector == kVectorNmi) {
    return OnNmi(*frame);
  }
  DieOfTrap(*frame, ReadCr2());
}

}  // namespace k42::machine
