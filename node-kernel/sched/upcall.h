// Upcall: turns the way back to user code into an entry of the dispatcher's user-level part. Works
// on the frame that is about to be resumed; interrupts off, the dispatcher is current.
//
// Vector registers and %fs base stay as the stopped code had them: dispatcher code uses none, and
// saves them itself if it goes on with another thread (DispatcherPage::saved_vector_valid is 0).
#pragma once

#include <cstdint>

#include "abi/dispatcher_page.h"
#include "machine/trap_frame.h"
#include "sched/dispatcher.h"

namespace k42::sched {

class Upcall {
 public:
  explicit Upcall(Dispatcher& dispatcher) : dispatcher_(dispatcher) {}

  // run_entry, if the code to be resumed is enabled and an event is pending. Code inside the leave
  // range goes back to its start, disabled: it looks for events itself.
  void DeliverPending(machine::TrapFrame* frame);

  // The frame is code that the kernel may leave for another thread of the same dispatcher: enabled,
  // and user space has somewhere to be told.
  bool InterruptsThread(const machine::TrapFrame* frame) const;

  // trap_entry. False: none is registered, or the trap hit while one was being entered.
  bool DeliverTrap(machine::TrapFrame* frame, const abi::TrapInfo& trap);

 private:
  bool InLeaveRange(std::uint64_t rip) const;
  void EnterAt(machine::TrapFrame* frame, std::uint64_t entry);

  Dispatcher& dispatcher_;
};

}  // namespace k42::sched
