#include "machine/user_entry.h"

#include "abi/native_call.h"
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
constexpr std::uint64_t kTrapFlag = 0x100;
constexpr std::uint64_t kUserEnd = 0x0000'8000'0000'0000;

constinit UserEntry entries[kMaxCpus] = {};

// sysret takes RIP and RFLAGS from RCX and R11. On a RIP that is not canonical it faults in kernel
// mode (on some processors), and single steps would be lost: those go by iret. Who makes a frame of
// other segments says so in the vector.
bool MayUseSysret(const TrapFrame& frame) {
  return frame.vector == kSyscallVector && frame.rip < kUserEnd && (frame.rflags & kTrapFlag) == 0;
}

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

// From user_entry.S. True: the frame may be left by sysret.
extern "C" bool HandleSystemCall(TrapFrame* frame) {
  constexpr std::uint64_t kTag = abi::kNativeTag;
  constexpr std::uint64_t kHandleBits = 0xffff'ff00;
  if constexpr (kDebugChecks) {
    ForgetUserSteps(frame);
  }
  // Calls of the dispatcher itself (handle 0) mostly reach no object, so they need not be counted:
  // those that do begin with Thread::BecomeActive.
  if ((frame->rax & kHandleBits) != 0) {
    Scheduler::Activate();
  }
  EnableInterrupts();
  if (frame->rax >> 32 == kTag) [[likely]]
    Scheduler::hooks().native_call(frame);
  else
    Scheduler::hooks().linux_syscall(frame);
  Scheduler::PrepareUserReturn(frame);
  return MayUseSysret(*frame);
}

}  // namespace k42::machine
