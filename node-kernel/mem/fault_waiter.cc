#include "mem/types.h"

namespace k42::mem {

void NotifyAll(FaultWaiters& waiters, Status status) {
  while (FaultWaiter* waiter = waiters.PopFront()) {
    waiter->status = status;
    waiter->notify(waiter);
  }
}

}  // namespace k42::mem
