// A FaultWaiter for a kernel thread that waits itself.
#pragma once

#include "cobj/may_block.h"
#include "mem/types.h"
#include "mem/wake_up.h"

namespace k42::mem {

class SyncWaiter : public FaultWaiter {
 public:
  SyncWaiter() : FaultWaiter(OnNotify) {}
  // After a kPending answer: kOk to try again, or why not. Below a call of user space the thread
  // stays active: a copy in the middle of some object's method has met a page that is fetched, and
  // nobody holds that object, nor its class against a swap, but the generation. A slow file holds
  // up grace periods then.
  Status Wait() {
    if (IsOk(cobj::MayBlock())) {
      wake_up_.WaitExternal();
    } else {
      wake_up_.Wait();
    }
    return status;
  }

 private:
  static void OnNotify(FaultWaiter* waiter) { static_cast<SyncWaiter*>(waiter)->wake_up_.Signal(); }
  WakeUp wake_up_;
};

}  // namespace k42::mem
