// AsyncCall: a [blocking] method that said kWouldBlock, run again on a worker thread, where it may
// wait (cobj/may_block.h). The caller has got kPending; its ticket fires with the method's result.
//
// The worker runs in the caller's address space, so user buffers mean there what they meant in the
// call; the process is held meanwhile, whatever happens to its dispatcher, and so is the object,
// whoever closes its handle: the worker may wait inside it for longer than a grace period.
#pragma once

#include "cobj/call_context.h"
#include "cobj/interface_info.h"
#include "ipc/worker_pool.h"
#include "proc/process.h"

namespace k42::proc {

class AsyncCall final : public ipc::Work {
 public:
  // kPending, or why not: kWouldBlock if the ticket is abi::kNoTicket, kLimitExceeded for too many.
  static Status Start(ProcessDispatcher& caller, const cobj::ObjectRef& object,
                      std::uint32_t method, const cobj::Words& words,
                      const cobj::CallContext& context);

 private:
  friend class k42::Allocator;
  AsyncCall(Process& process, const cobj::ObjectRef& object, std::uint32_t method,
            const cobj::Words& words, const cobj::CallContext& context, cobj::Ticket ticket)
      : process_(process),
        object_(object),
        method_(method),
        words_(words),
        context_(context),
        ticket_(ticket) {}
  static void Run(ipc::Work* work);

  Process& process_;
  const cobj::ObjectRef object_;
  const std::uint32_t method_;
  const cobj::Words words_;
  cobj::CallContext context_;
  const cobj::Ticket ticket_;
};

}  // namespace k42::proc
