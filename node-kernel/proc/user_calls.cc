// Native calls: handle 0 here; others to the object, and again on a worker if it must wait.
#include "proc/user_calls.h"

#include <string_view>

#include "cobj/object_system.h"
#include "ipc/exported.dispatch.h"
#include "machine/interrupts.h"
#include "machine/log.h"
#include "machine/thread.h"
#include "machine/user_copy.h"
#include "machine/user_entry.h"
#include "machine/vector_state.h"
#include "platform/contract/user_hooks.h"
#include "proc/async_call.h"
#include "proc/process.h"
#include "sched/cpu_scheduler.h"
#include "sched/frame.h"
#include "sched/user_address.h"
#include "trace/trace.h"

namespace k42::proc {

using abi::DispatcherCall;
using cobj::NativeResult;
using sched::CpuScheduler;

namespace {

constexpr std::size_t kLogMax = 256;

[[gnu::noinline]] Status LogFor(ProcessDispatcher& caller, std::uint64_t text, std::uint64_t size) {
  char line[kLogMax];
  if (size > kLogMax)
    return Status::kMessageTooLong;
  TRY(machine::CopyIn(line, text, size));
  for (char& c : line)
    c = c >= ' ' && c <= '~' ? c : '.';  // user space does not drive the console's terminal
  machine::Log("[{}] {}", caller.task(), std::string_view(line, size));
  return Status::kOk;
}

[[gnu::noinline]] Status SetEntries(ProcessDispatcher& caller, std::uint64_t address) {
  abi::DispatcherEntries entries;
  TRY(machine::CopyIn(&entries, address, sizeof(entries)));
  TRY(caller.scheduled().SetEntries(entries));
  CpuScheduler::Here().ShowEntry(caller.scheduled());
  return Status::kOk;
}

// Enables and continues the state given, in one step.
[[gnu::noinline]] Status Resume(ProcessDispatcher& caller, machine::TrapFrame* frame,
                                std::uint64_t address) {
  abi::UserState state;
  TRY(machine::CopyIn(&state, address, sizeof(state)));
  if (!sched::Validate(state))
    return Status::kBadAddress;
  const machine::InterruptsOff off;
  sched::FrameFromState(state, frame);
  CpuScheduler::Here().SetFsBaseOf(caller.scheduled(), state.fs_base);
  caller.scheduled().page()->disabled = 0;  // an event pending by now upcalls before it starts
  return Status::kOk;
}

bool IsOwnTask(const ProcessDispatcher& caller, std::uint32_t task) {
  return caller.process().services().tasks.IsOwnTask(caller.process(), task);
}

// What the result words hold; those that give the CPU away do not come back.
[[gnu::noinline]] void CallDispatcher(ProcessDispatcher& caller, machine::TrapFrame* frame,
                                      std::uint64_t method) {
  const std::uint64_t a = frame->rdi, b = frame->rsi;
  Status status = Status::kOk;
  std::uint64_t value = 0;
  switch (static_cast<DispatcherCall>(method)) {
    case DispatcherCall::kNull:
      break;
    case DispatcherCall::kWait:
      frame->rax = 0;
      frame->rdx = 0;
      if (caller.scheduled().page()->pending.load(std::memory_order_seq_cst) == 0)
        CpuScheduler::Here().Wait(frame, sched::Dispatcher::kWake, a);
      break;
    case DispatcherCall::kYield:
      frame->rax = 0;
      frame->rdx = 0;
      CpuScheduler::Here().Yield(frame);
      return;
    case DispatcherCall::kResume:
      status = Resume(caller, frame, a);
      if (status == Status::kOk)
        return;  // the registers are the resumed state's
      break;
    case DispatcherCall::kSetEntries:
      status = SetEntries(caller, a);
      break;
    case DispatcherCall::kCancelTicket:
      status = caller.process().CancelTicket(a);
      break;
    case DispatcherCall::kSetTimer:
      caller.scheduled().SetTimer(a);
      break;
    case DispatcherCall::kLog:
      status = LogFor(caller, a, b);
      break;
    case DispatcherCall::kSetFsBase:
      if (sched::IsUserAddress(a))
        machine::WriteFsBase(a);
      else
        status = Status::kBadAddress;
      break;
    case DispatcherCall::kSetTask: {
      const auto task = static_cast<std::uint32_t>(a);
      machine::Thread::BecomeActive();  // tasks are looked at
      if (a > UINT32_MAX || !IsOwnTask(caller, task)) {
        status = Status::kNoProcess;
        break;
      }
      caller.ActFor(task);
      // Another dispatcher may have ended it, before it could see that this one acts for it.
      if (!IsOwnTask(caller, task)) {
        caller.ActFor(caller.process().main_task());
        status = Status::kNoProcess;
      }
      break;
    }
    case DispatcherCall::kTraceBuffer: {
      const Result<std::uint64_t> buffer = caller.TraceBuffer();
      status = buffer.status();
      value = buffer.ValueOr(0);
      break;
    }
    case DispatcherCall::kAddDispatcher: {
      machine::Thread::BecomeActive();
      const Result<std::uint32_t> index = caller.process().AddDispatcher(caller, a, b);
      status = index.status();
      value = index.ValueOr(0);
      break;
    }
    case DispatcherCall::kNotify:
      status = caller.process().Notify(a);
      break;
    case DispatcherCall::kPark:
      if (caller.index() != 0)
        caller.Park();
      status = Status::kNotSupported;
      break;
    case DispatcherCall::kServe:
      return caller.calls().Serve(frame);
    default:
      status = Status::kNoMethod;
  }
  frame->rax = static_cast<std::uint64_t>(status);
  frame->rdx = value;
}

NativeResult CallObject(ProcessDispatcher& caller, const cobj::ObjectRef& object,
                        std::uint32_t method, const cobj::Words& words) {
  Process& process = caller.process();
  // All of it named: else it is cleared first.
  cobj::CallContext context = {.handles = &process.handles(),
                               .process = process.self().bits(),
                               .process_id = caller.task(),
                               .tickets = caller.sink(),
                               .ticket_space = &process,
                               .rights = object.rights,
                               .ticket = 0,
                               .node = 0};
  const NativeResult result = object.info->invoke(object.ref, method, words, context);
  if (result.status != Status::kWouldBlock || !object.info->Blocks(method))
    return result;
  return {AsyncCall::Start(caller, object, method, words, context), 0};
}

[[gnu::noinline]] void CallKernel(ProcessDispatcher& caller, machine::TrapFrame* frame,
                                  cobj::ObjectRef object, Status found, std::uint32_t method) {
  const cobj::Words words = {
      {frame->rdi, frame->rsi, frame->rdx, frame->r10, frame->r8, frame->r9}};
  machine::Thread::BecomeActive();
  // Whoever had this thread before may have left it set: this call is not to blame for that.
  machine::Thread::Current()->context().destroyed = false;
  const NativeResult result =
      found == Status::kOk ? CallObject(caller, object, method, words) : NativeResult{found, 0};
  frame->rax = static_cast<std::uint64_t>(result.status);
  frame->rdx = result.value;
  trace::Log(trace::kNativeReturn, caller.scheduled().name(),
             -static_cast<std::int64_t>(result.status), result.value);
  cobj::HoldBackIfDestroyed();
  if (caller.restart) [[unlikely]] {
    caller.restart = false;
    CpuScheduler::Here().Restart();
  }
}

[[gnu::noinline]] void CallHandle(ProcessDispatcher& caller, machine::TrapFrame* frame,
                                  abi::Handle handle, std::uint32_t method) {
  cobj::ObjectRef object;
  const Status found = caller.process().handles().Resolve(handle, &object);
  if (object.info == &ipc::kExportedInfo) {  // a program serves it: the frame may be its afterwards
    const std::uint64_t identity =
        std::uint64_t{caller.process().main_task()} << 32 | caller.task();
    return caller.calls().CallOut(frame, object.ref, object.rights, method, identity);
  }
  return CallKernel(caller, frame, object, found, method);
}

[[gnu::noinline]] void TraceAndCallHandle(ProcessDispatcher& caller, machine::TrapFrame* frame,
                                          abi::Handle handle, std::uint32_t method) {
  trace::Log(trace::kNativeCall, caller.scheduled().name(), handle, method);
  return CallHandle(caller, frame, handle, method);
}

}  // namespace

// In pieces that end in each other, so that no way saves registers for another's sake.
void OnNativeCall(machine::TrapFrame* frame) {
  ProcessDispatcher& caller = ProcessDispatcher::Of(*sched::Dispatcher::Current());
  const auto handle = static_cast<abi::Handle>(frame->rax >> 8 & 0xff'ffff);
  const auto method = static_cast<std::uint32_t>(frame->rax & 0xff);
  if (handle != abi::kDispatcherHandle) {
    if (trace::IsOn(trace::kNativeCall.info.event_class)) [[unlikely]]
      return TraceAndCallHandle(caller, frame, handle, method);
    return CallHandle(caller, frame, handle, method);
  }
  if (method == static_cast<std::uint32_t>(DispatcherCall::kReturnCall))
    return caller.calls().Return(frame, frame->rdi, static_cast<std::int64_t>(frame->rsi),
                                 frame->rdx);
  return CallDispatcher(caller, frame, method);
}

}  // namespace k42::proc
