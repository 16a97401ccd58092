#include "machine/user_entry.h"

#include "base/assert.h"
#include "instructions.h"
#include "machine/cpu.h"
#include "machine/interrupts.h"
#include "machine/trap_frame.h"
#include "scheduler.h"
#include "stepping.h"

extern "C" const char user_syscall_entry[];

namespace k42::machine {

namespace {

constexpr std::uint32_t kMsrStar = 0xc000'0081;
constexpr std::uint32_t kMsrLstar = 0xc000'0082;
constexpr std::uint32_t kMsrSyscallMask = 0xc000'0084;
// Cleared on entry: trap, interrupts, direction, I/O privilege, nested task, alignment check.
constexpr std::uint64_t kMask = 0x100 | 0x200 | 0x400 | 0x3000 | 0x4000 | 0x4'0000;

constinit UserEntry entries[kMaxCpus] = {};

}  // namespace

void StartUserEntry() {
  // syscall: CS, SS from bits 47:32; sysret: CS = bits 63:48 + 16, SS = + 8, both with RPL 3.
  static_assert(kKernelData == kKernelCode + 8 && kUserCode == kUserData + 8);
  WriteMsr(kMsrStar, std::uint64_t{kUserData - 8u} << 48 | std::uint64_t{kKernelCode} << 32);
  WriteMsr(kMsrLstar, reinterpret_cast<std::uint64_t>(user_syscall_entry));
  WriteMsr(kMsrSyscallMask, kMask);
  CpuArea* area = ThisCpuArea();
  area->scratch[0] = reinterpret_cast<std::uint64_t>(&entries[area->id]);
}

// From user_entry.S. Neither makes the thread active: a native call may reach no object at all, or
// do so without giving up the CPU (proc/user_calls.cc).
extern "C" void HandleNativeCall(TrapFrame* frame) {
  if constexpr (kDebugChecks)
    ForgetUserSteps(frame);
  EnableInterrupts();
  Scheduler::hooks().native_call(frame);
  Scheduler::PrepareUserReturn(frame);
}

extern "C" void HandleLinuxCall(TrapFrame* frame) {
  if constexpr (kDebugChecks)
    ForgetUserSteps(frame);
  frame->rcx = frame->rip;
  frame->r11 = frame->rflags;
  EnableInterrupts();
  Scheduler::hooks().linux_syscall(frame);
  Scheduler::PrepareUserReturn(frame);
}

}  // namespace k42::machine
