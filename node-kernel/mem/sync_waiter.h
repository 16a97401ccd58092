// A FaultWaiter for a kernel thread that waits itself.
#pragma once

#include "mem/types.h"
#include "mem/wake_up.h"

namespace k42::mem {

class SyncWaiter : public FaultWaiter {
 public:
  SyncWaiter() : FaultWaiter(OnNotify) {}
  // After a kPending answer: kOk to try again, or why not.
  Status Wait() {
    wake_up_.WaitExternal();
    return status;
  }

 private:
  static void OnNotify(FaultWaiter* waiter) { static_cast<SyncWaiter*>(waiter)->wake_up_.Signal(); }
  WakeUp wake_up_;
};

}  // namespace k42::mem
