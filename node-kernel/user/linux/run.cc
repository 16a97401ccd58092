// Between the program and the calls: what happens on each entry, and on the way back.
#include <cstring>

#include "user/linux/abi_errno.h"
#include "user/linux/dispatchers.h"
#include "user/linux/end.h"
#include "user/linux/entry.h"
#include "user/linux/kernel.h"
#include "user/linux/log.h"
#include "user/linux/monitor.h"
#include "user/linux/signals.h"
#include "user/linux/start.h"
#include "user/linux/system_calls.h"
#include "user/linux/task.h"
#include "user/linux/vector_state.h"

namespace k42::personality {
namespace {

// Flags a program may have; the kernel would refuse others.
constexpr std::uint64_t kProgramFlags = 0x250dd5;  // CF PF AF ZF SF TF DF OF NT AC ID
constexpr std::uint64_t kAlwaysSet = 0x202;

// The state the kernel stopped enabled code in.
void TakeSavedState(Thread* thread) {
  abi::DispatcherPage* page = kernel::Page();
  thread->regs = page->saved;
  thread->fast_leave = 0;
  thread->system_call = -1;
  if (page->saved_vector_valid) {
    std::memcpy(thread->vector, page->saved_vector, sizeof(thread->vector));
    VectorStateChanged(thread);
  }
}

void SegmentationFault(Thread* thread, const abi::TrapInfo& trap) {
  LinuxSigInfo info{};
  info.signo = kSIGSEGV;
  // The hardware's word tells whether a page is present, not whether the address is mapped.
  proc::RegionInfo region{};
  const bool mapped = kernel::QueryRegion(trap.address, &region) == Status::kOk &&
                      region.start <= trap.address && trap.address < region.end;
  info.code = mapped ? kSegvAccessError : kSegvMapError;
  info.fault.address = trap.address;
  ForceSignal(*thread, info);
}

// Mapped, but beyond the end of the file, or its page cannot be read.
void LostPage(Thread* thread, const abi::TrapInfo& trap) {
  LinuxSigInfo info{};
  info.signo = kSIGBUS;
  info.code = kBusAddressError;
  info.fault.address = trap.address;
  ForceSignal(*thread, info);
}

void HardwareException(Thread* thread, const abi::TrapInfo& trap) {
  LinuxSigInfo info{};
  info.fault.address = thread->regs.rip;
  switch (trap.vector) {
    case 0:
      info.signo = kSIGFPE;
      info.code = kFpeIntDivide;
      break;
    case 1:
      info.signo = kSIGTRAP;
      info.code = kTrapTrace;
      break;
    case 3:
      info.signo = kSIGTRAP;
      info.code = kSiKernel;
      info.fault.address = 0;
      break;
    case 6:
      info.signo = kSIGILL;
      info.code = kIllIllegalOperand;
      break;
    case 16:
    case 19:
      info.signo = kSIGFPE;
      info.code = FloatingPointCode(thread, trap.vector == 19);
      break;
    case 12:
    case 17:
      info.signo = kSIGBUS;
      info.code = kBusAlignment;
      info.fault.address = 0;
      break;
    default:
      info.signo = kSIGSEGV;
      info.code = kSiKernel;
      info.fault.address = 0;
      break;
  }
  ForceSignal(*thread, info);
}

// Nothing to do on the way back to the program but to load its registers: what ReturnToProgram
// would look at says so. Events that have come meanwhile are seen by the leave range.
bool LeavesAtOnce(const Thread& thread, std::int64_t result) {
  const Task& task = *thread.task;
  const bool wanted = thread.exit_requested | thread.must_move | task.exiting;
  const SignalSet signals = thread.signals.pending.set() | task.pending.set();
  const bool quiet = signals.empty();
  const bool restarts = WantsRestart(result);
  const bool shared = monitor.shared();
  return !(wanted | !quiet | thread.signals.restore_saved_mask | restarts | shared) &&
         Here().IsQuietFor(thread);
}

}  // namespace

extern "C" void SystemCallFromProgram(Thread* thread) {
  monitor.Enter();
  thread->fast_leave = 1;
  thread->system_call = static_cast<std::int64_t>(thread->regs.rax);
  thread->first_argument_rax = thread->regs.rax;
  const std::int64_t result = ServeSystemCall(*thread);
  if (thread->system_call >= 0) {  // -1: the call has set the registers itself (sigreturn, exec)
    thread->regs.rax = static_cast<std::uint64_t>(result);
    if (LeavesAtOnce(*thread, result)) [[likely]] {
      thread->system_call = -1;
      personality_leave_begin();
    }
  }
  ReturnToProgram(thread);
}

extern "C" void UpcallFromProgram(Thread* thread) {
  monitor.Enter();
  TakeSavedState(thread);
  ReturnToProgram(thread);
}

extern "C" void TrapFromProgram(Thread* thread) {
  monitor.Enter();
  TakeSavedState(thread);
  const abi::TrapInfo trap = kernel::Page()->trap;
  thread->trap_number =
      trap.kind == abi::kTrapPageFault || trap.kind == abi::kTrapPageLost ? 14 : trap.vector;
  thread->trap_error = trap.error_code;
  thread->trap_address = trap.address;
  switch (trap.kind) {
    case abi::kTrapFaultBlocked: {
      FaultWaiter waiter{thread, true};
      Here().fault_waiters[trap.fault_id % abi::kFaultIdCount] = &waiter;
      thread->keeps_dispatcher = true;
      Here().TakeEvents();  // it may have completed already
      while (waiter.waiting) {
        (void)Dispatcher::Block(0, false);
      }
      thread->keeps_dispatcher = false;
      break;
    }
    case abi::kTrapPageFault:
      SegmentationFault(thread, trap);
      break;
    case abi::kTrapPageLost:
      LostPage(thread, trap);
      break;
    default:
      HardwareException(thread, trap);
      break;
  }
  ReturnToProgram(thread);
}

// Returns only if the trap was the program's.
extern "C" void TrapHitPersonality() {
  abi::DispatcherPage* page = kernel::Page();
  if (!page->trap.was_disabled) {
    return;
  }
  abi::UserState state = page->trapped;
  if (state.rip >= reinterpret_cast<std::uint64_t>(personality_access_begin) &&
      state.rip < reinterpret_cast<std::uint64_t>(personality_access_end)) {
    state.rip = reinterpret_cast<std::uint64_t>(&personality_access_failed);
    ResumePersonality(&state);
  }
  Log("linux: fault {} vector {} in the personality at {x}, address {x}, stack {x}",
      page->trap.kind, page->trap.vector, state.rip, page->trap.address, state.rsp);
  auto* frame = reinterpret_cast<std::uint64_t*>(state.rbp);
  for (int depth = 0; depth < 12 && frame && InPersonality(frame); ++depth) {
    Log("linux:   called from {x}", frame[1]);
    frame = reinterpret_cast<std::uint64_t*>(frame[0]);
  }
  kernel::Exit(static_cast<std::uint32_t>(Tasks().first()->pid), proc::ExitKind::kKilled, kSIGSEGV);
}

extern "C" void ReturnToProgram(Thread* thread) {
  for (;;) {
    Here().TakeEvents();
    if (thread->exit_requested || thread->task->exiting) {
      EndThread(*thread);
    }
    DeliverSignals(*thread);
    if (thread->must_move || monitor.shared()) [[unlikely]] {
      if (Dispatchers::MoveIfForbidden(*thread) || Here().HasEventsPutBy()) {
        continue;
      }
    }
    if (!Here().IsDue()) {
      break;
    }
    Here().LetOthersRun();
  }
  LoadVectorState(thread);
  Dispatcher& here = Here();
  if (here.fs_owner != thread) {
    kernel::LoadFsBase(thread->regs.fs_base);
    here.fs_owner = thread;
  }
  if (!thread->fast_leave) {
    thread->regs.rflags = (thread->regs.rflags & kProgramFlags) | kAlwaysSet;
  }
  here.ProgramTimer();
  monitor.Leave();
  personality_leave_begin();
}

extern "C" void ReturnAfterEvent(Thread* thread) {
  monitor.Enter();
  ReturnToProgram(thread);
}

void StartOfThread() {
  Here().AfterSwitch();
  ReturnToProgram(&Self());
}

void RegisterEntries() {
  kernel::Page()->stack = DispatcherStackTop();
  abi::DispatcherEntries entries{};
  entries.run_entry = reinterpret_cast<std::uint64_t>(&personality_run_entry);
  entries.trap_entry = reinterpret_cast<std::uint64_t>(&personality_trap_entry);
  entries.syscall_entry = reinterpret_cast<std::uint64_t>(&personality_syscall_entry);
  entries.leave_begin = reinterpret_cast<std::uint64_t>(&personality_leave_begin);
  entries.leave_end = reinterpret_cast<std::uint64_t>(personality_leave_end);
  kernel::SetEntries(entries);
}

}  // namespace k42::personality
