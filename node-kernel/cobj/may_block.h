// May the present thread wait for something that takes long (a device, another node, a host)? While
// it does it is inactive, and an object whose method is under way below it may go.
//
// A [blocking] method asks before its first side effect: TRY(MayBlock()). On a thread that serves a
// user call the answer is kWouldBlock; the call is then made again, from the start, on a worker
// thread (ipc/worker_pool.h) that holds the object, where the answer is kOk. Kernel threads of
// their own may wait.
#pragma once

#include "base/status.h"
#include "machine/thread.h"

namespace k42::cobj {

inline Status MayBlock() {
  const machine::ThreadContext& context = machine::Thread::Current()->context();
  return context.user_call != nullptr && context.worker == nullptr ? Status::kWouldBlock
                                                                   : Status::kOk;
}

}  // namespace k42::cobj
