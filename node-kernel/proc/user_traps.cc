// Traps of user code, and page faults of the kernel on user memory.
#include "abi/signal.h"
#include "machine/interrupts.h"
#include "machine/log.h"
#include "machine/thread.h"
#include "platform/contract/user_hooks.h"
#include "proc/process.h"
#include "proc/user_calls.h"
#include "sched/cpu_scheduler.h"
#include "sched/upcall.h"
#include "trace/trace.h"

namespace k42::proc {

namespace {

constexpr std::uint32_t kFaultSignal = 11;  // what ends a program without a trap entry

mem::Access AccessOf(std::uint64_t error_code) {
  return (error_code & machine::kFaultFetch) != 0   ? mem::Access::kExecute
         : (error_code & machine::kFaultWrite) != 0 ? mem::Access::kWrite
                                                    : mem::Access::kRead;
}

void Deliver(ProcessDispatcher& caller, machine::TrapFrame* frame, abi::TrapKind kind,
             std::uint64_t address, std::uint32_t fault_id = 0) {
  abi::TrapInfo trap = {};
  trap.kind = kind;
  trap.vector = static_cast<std::uint32_t>(frame->vector);
  trap.error_code = frame->error_code;
  trap.address = address;
  trap.fault_id = fault_id;
  const std::uint64_t rip = frame->rip;
  {
    const machine::InterruptsOff off;
    if (sched::Upcall(caller.scheduled()).DeliverTrap(frame, trap))
      return;
  }
  machine::Log("task {}: vector {} at {x}, address {x}, error {x}: ended", caller.task(),
               frame->vector, rip, address, frame->error_code);
  caller.process().EndRunning(ExitKind::kKilled, kFaultSignal);
}

// A page that must be fetched. Enabled code has other threads beside it: user space is told which
// fault is to come, and goes on with them. kPending: told.
Status FetchForThread(ProcessDispatcher& caller, machine::TrapFrame* frame, std::uint64_t address) {
  BlockedFaults::Fault* fault = caller.TakeBlockedFault(address);
  if (fault == nullptr)
    return Status::kWouldBlock;
  const std::uint32_t id = caller.blocked_faults().IdOf(fault);
  const Status status =
      caller.process().space().HandleFault(address, AccessOf(frame->error_code), fault);
  if (status == Status::kPending)
    Deliver(caller, frame, abi::kTrapFaultBlocked, address, id);
  else
    caller.ReturnBlockedFault(fault);
  return status;
}

void OnPageFault(ProcessDispatcher& caller, machine::TrapFrame* frame, std::uint64_t address) {
  // A page that could not be brought is not asked for again and again.
  Status status = caller.TakeFaultStatus(address);
  trace::Log(trace::kPageFault, address, frame->error_code);
  mem::AddressSpace& space = caller.process().space();
  const mem::Access access = AccessOf(frame->error_code);
  bool told = false;
  if (status == Status::kOk) {
    const bool thread_only = sched::Upcall(caller.scheduled()).InterruptsThread(frame);
    status = space.HandleFault(address, access, thread_only ? nullptr : caller.WaiterFor(address));
    if (status == Status::kWouldBlock) {
      status = FetchForThread(caller, frame, address);
      told = status == Status::kPending;
      if (status == Status::kWouldBlock)
        status = space.HandleFault(address, access, caller.WaiterFor(address));
    }
  }
  trace::Log(trace::kPageFaultEnd, address, -static_cast<std::int64_t>(status));
  switch (status) {
    case Status::kOk:
      return;
    case Status::kPending:
      if (told)
        return;
      caller.WaitForPage(frame);
    case Status::kOutOfRange:
    case Status::kIoError:
      return Deliver(caller, frame, abi::kTrapPageLost, address);
    default:
      return Deliver(caller, frame, abi::kTrapPageFault, address);
  }
}

}  // namespace

void OnUserTrap(machine::TrapFrame* frame, std::uint64_t address) {
  ProcessDispatcher& caller = *ProcessDispatcher::Current();
  if (frame->vector == machine::kVectorPageFault)
    OnPageFault(caller, frame, address);
  else
    Deliver(caller, frame, abi::kTrapException, 0);
}

void OnLinuxCall(machine::TrapFrame* frame) {
  Deliver(*ProcessDispatcher::Current(), frame, abi::kTrapSyscallDisabled, 0);
}

bool OnKernelPageFault(machine::TrapFrame* frame, std::uint64_t address) {
  auto* space = static_cast<mem::AddressSpace*>(machine::Thread::Current()->context().space);
  return space != nullptr &&
         space->ResolveFault(address, AccessOf(frame->error_code)) == Status::kOk;
}

void RegisterUserHooks() {
  machine::UserHooks hooks;
  hooks.run_user = sched::CpuScheduler::OnRunUser;
  hooks.native_call = OnNativeCall;
  hooks.linux_syscall = OnLinuxCall;
  hooks.user_trap = OnUserTrap;
  hooks.kernel_page_fault = OnKernelPageFault;
  hooks.resume_space = [](void* space) { static_cast<mem::AddressSpace*>(space)->Activate(); };
  hooks.owns_cpu = sched::CpuScheduler::OnOwnsCpu;
  hooks.inject = sched::CpuScheduler::OnInject;
  hooks.before_user = sched::CpuScheduler::OnBeforeUser;
  machine::SetUserHooks(hooks);
}

}  // namespace k42::proc
