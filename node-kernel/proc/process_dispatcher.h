// ProcessDispatcher: one dispatcher of a process: the scheduler's record, the tickets, and the page
// that user space sees. It is the clustered object behind Ref<ITicketSink>, so that operations may
// keep a ticket for as long as they like: when the dispatcher has ended, firing answers kDeleted.
//
// Life: made with its process (new, forked or spawned), Ended on its CPU, destroyed by the
// process's reaper, gone after a grace period.
#pragma once

#include <cstdint>

#include "cobj/ticket.idl.h"
#include "ipc/ticket_table.h"
#include "machine/trap_frame.h"
#include "mem/fcm_pinned.h"
#include "mem/types.h"
#include "sched/dispatcher.h"

namespace k42::proc {

class Process;

class ProcessDispatcher final : public cobj::ITicketSink, public sched::DispatcherOwner {
 public:
  using Interface = cobj::ITicketSink;

  // `pages`: the page and the ticket results; takes over the reference.
  ProcessDispatcher(Process& process, std::uint32_t index, mem::FcmPinned* pages);
  ~ProcessDispatcher();

  // Of the call or trap that the present thread serves.
  static ProcessDispatcher* Current();
  static ProcessDispatcher& Of(sched::Dispatcher& dispatcher);

  void SetSelf(cobj::Ref<cobj::ITicketSink> self) { self_ = self; }
  cobj::Ref<cobj::ITicketSink> self() const { return self_; }

  // cobj::ITicketSink
  Result<std::uint32_t> Arm(std::uint32_t number) override { return tickets_.Arm(number); }
  Status Fire(std::uint32_t ticket, std::int64_t status, std::uint64_t value) override;

  Status CancelTicket(std::uint64_t number) { return tickets_.Cancel(number); }

  // As new, for a process that starts again (Process.Replace).
  void Reset();

  // sched::DispatcherOwner
  void LoadSpace() override;
  void Ended() override;

  // The page fault's address; on its way: the dispatcher waits, and this does not return.
  [[noreturn]] void WaitForPage(machine::TrapFrame* frame);
  mem::FaultWaiter* fault_waiter() { return &fault_; }
  // Why the page that was waited for did not come; asking forgets it.
  Status TakeFaultStatus();

  sched::Dispatcher& scheduled() { return scheduled_; }
  Process& process() { return process_; }
  mem::FcmPinned* pages() const { return pages_; }
  std::uint64_t user_page() const { return scheduled_.user_page(); }

  // The task of the process that its calls are made for (DispatcherCall::kSetTask).
  std::uint32_t task = 0;
  // Set by Process.Replace: goes on with user_state() instead of returning from the call.
  bool restart = false;

 private:
  struct Fault : mem::FaultWaiter {
    explicit Fault(ProcessDispatcher* owner_in) : FaultWaiter(OnPage), owner(owner_in) {}
    ProcessDispatcher* const owner;
  };
  static void OnPage(mem::FaultWaiter* waiter);

  Process& process_;
  mem::FcmPinned* const pages_;
  cobj::Ref<cobj::ITicketSink> self_;
  sched::Dispatcher scheduled_;
  ipc::TicketTable tickets_;
  Fault fault_;
};

}  // namespace k42::proc
