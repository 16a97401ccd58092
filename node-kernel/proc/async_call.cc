#include "proc/async_call.h"

#include "abi/native_call.h"
#include "cobj/hold.h"
#include "machine/interrupts.h"
#include "machine/thread.h"

namespace k42::proc {

Status AsyncCall::Start(ProcessDispatcher& caller, const cobj::ObjectRef& object,
                        std::uint32_t method, const cobj::Words& words,
                        const cobj::CallContext& context) {
  // Invoking has noted the ticket, which is the last argument word of such methods.
  if (context.ticket == abi::kNoTicket)
    return Status::kWouldBlock;
  Process& process = caller.process();
  if (process.calls_on_the_way.fetch_add(1, std::memory_order_relaxed) >=
      ipc::kMaxCallsPerProcess) {
    process.calls_on_the_way.fetch_sub(1, std::memory_order_relaxed);
    return Status::kLimitExceeded;
  }
  const auto begin = [&]() -> Status {
    const std::uint32_t armed = TRY(caller.Arm(context.ticket));
    auto* call = TRY(process.services().allocator.Make<AsyncCall>(
        process, object, method, words, context, cobj::Ticket{caller.sink(), armed}));
    call->run = Run;
    // The caller's own process is held below.
    Status refused = object.info->own ? Status::kOk : cobj::Hold(object);
    if (refused == Status::kOk) {
      refused = process.TryHold() ? Status::kOk : Status::kNoProcess;
      if (refused == Status::kOk) {
        refused = ipc::WorkerPool::Here().Submit(call);
        if (refused == Status::kOk)
          return Status::kPending;
        process.Drop();
      }
      cobj::Release(object);
    }
    process.services().allocator.Destroy(call);
    return refused;
  };
  const Status status = begin();
  if (status != Status::kPending)
    process.calls_on_the_way.fetch_sub(1, std::memory_order_relaxed);
  return status;
}

void AsyncCall::Run(ipc::Work* work) {
  auto* call = static_cast<AsyncCall*>(work);
  Process& process = call->process_;
  machine::ThreadContext& context = machine::Thread::Current()->context();
  {
    const machine::InterruptsOff off;
    context.space = &process.space();
    process.LoadSpace();
  }
  const cobj::NativeResult result =
      call->object_.info->invoke(call->object_.ref, call->method_, call->words_, call->context_);
  context.space = nullptr;
  cobj::Release(call->object_);  // before the caller hears: what it closed is closed then
  (void)call->ticket_.Fire(result.status, result.value);
  process.calls_on_the_way.fetch_sub(1, std::memory_order_relaxed);
  process.services().allocator.Destroy(call);
  process.Drop();
}

}  // namespace k42::proc
