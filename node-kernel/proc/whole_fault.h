// WholeFault: the page fault for which a dispatcher waits as a whole, all its threads: its code was
// disabled, or no id was left for the thread alone (blocked_faults.h).
//
//   For(address) -> [kPending: the page's end notifies, then the dispatcher goes on] -> TakeFailure
//
// One at a time, so what is known of it is known of one page. Of a page that could not be brought
// the next fault is told, if it is for the same page; a fault for another page forgets it: what the
// dispatcher does has changed, and to ask once more costs little.
//
// Locking: the dispatcher's CPU, which does not run the dispatcher between For and the
// notification.
#pragma once

#include <cstdint>

#include "mem/types.h"

namespace k42::proc {

class WholeFault : public mem::FaultWaiter {
 public:
  explicit WholeFault(Notify notify_function) : FaultWaiter(notify_function) {}

  // To be queued for the page of `address`.
  mem::FaultWaiter* For(std::uint64_t address) {
    page_ = mem::PageFloor(address);
    return this;
  }
  // Why the page of `address` did not come; asking forgets it. kOk: nothing is known against it.
  Status TakeFailure(std::uint64_t address) {
    const Status known = page_ == mem::PageFloor(address) ? status : Status::kOk;
    Forget();
    return known;
  }
  void Forget() { status = Status::kOk; }

 private:
  std::uint64_t page_ = 0;
};

}  // namespace k42::proc
