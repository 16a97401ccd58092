#include "sched/upcall.h"

#include "machine/user_entry.h"
#include "machine/vector_state.h"
#include "sched/cpu_scheduler.h"
#include "sched/frame.h"

namespace k42::sched {

bool Upcall::InLeaveRange(std::uint64_t rip) const {
  return rip >= dispatcher_.entries().leave_begin && rip < dispatcher_.entries().leave_end;
}

void Upcall::EnterAt(machine::TrapFrame* frame, std::uint64_t entry) {
  // The program may have moved it. If another has the CPU it is set when this one gets it back.
  if (CpuScheduler::Here().current() == &dispatcher_)
    machine::SetUserGsBase(dispatcher_.user_page());
  frame->rip = entry;
  frame->rflags = kFixedFlags;
  frame->vector = 0;
}

void Upcall::DeliverPending(machine::TrapFrame* frame) {
  abi::DispatcherPage* page = dispatcher_.page();
  if (page->pending.load(std::memory_order_relaxed) == 0 || dispatcher_.entries().run_entry == 0)
    return;
  if (InLeaveRange(frame->rip)) {
    page->disabled = 1;
    EnterAt(frame, dispatcher_.entries().leave_begin);
    return;
  }
  if (page->disabled != 0)
    return;
  StateFromFrame(*frame, &page->saved);
  page->saved.fs_base = machine::ReadFsBase();
  page->saved_vector_valid = 0;
  page->disabled = 1;
  EnterAt(frame, dispatcher_.entries().run_entry);
}

bool Upcall::InterruptsThread(const machine::TrapFrame* frame) const {
  return dispatcher_.entries().trap_entry != 0 && dispatcher_.page()->disabled == 0 &&
         !InLeaveRange(frame->rip);
}

bool Upcall::DeliverTrap(machine::TrapFrame* frame, const abi::TrapInfo& trap) {
  abi::DispatcherPage* page = dispatcher_.page();
  if (dispatcher_.entries().trap_entry == 0 || frame->rip == dispatcher_.entries().trap_entry)
    return false;
  // Read once: it decides which state is overwritten.
  const bool was_disabled = page->disabled != 0 || InLeaveRange(frame->rip);
  abi::UserState* state = was_disabled ? &page->trapped : &page->saved;
  StateFromFrame(*frame, state);
  // The kernel's part of the fault may have blocked: then the register is another's by now.
  state->fs_base = CpuScheduler::Here().FsBaseOf(dispatcher_);
  page->saved_vector_valid = 0;
  page->trap = trap;
  page->trap.was_disabled = was_disabled ? 1 : 0;
  page->disabled = 1;
  EnterAt(frame, dispatcher_.entries().trap_entry);
  return true;
}

}  // namespace k42::sched
