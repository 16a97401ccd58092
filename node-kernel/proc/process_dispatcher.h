// ProcessDispatcher: one dispatcher of a process: the scheduler's record, and the page that user
// space sees. Its tickets are a sink's that it borrows (ipc/ticket_sink.h): operations may keep a
// ticket for as long as they like, and when the dispatcher has ended, firing it is in vain.
//
// Life: made with its process (new, forked or spawned) or by its process (Process::AddDispatcher),
// Ended on its CPU, retired by the process's reaper, destroyed with the process's object, when
// nobody is inside. In between it may be parked, and be taken for another use, any number of times.
#pragma once

#include <cstdint>

#include "ipc/call_end.h"
#include "ipc/ticket_sink.h"
#include "machine/trap_frame.h"
#include "mem/fcm_on_demand.h"
#include "mem/types.h"
#include "proc/blocked_faults.h"
#include "proc/trace_buffers.h"
#include "proc/whole_fault.h"
#include "sched/dispatcher.h"

namespace k42::proc {

class Process;

class ProcessDispatcher final : public ipc::TicketSink::Owner,
                                public ipc::TicketPages,
                                public BlockedFaults::Owner,
                                public sched::DispatcherOwner {
 public:
  // `pages`: the page and the ticket results; takes over the reference.
  ProcessDispatcher(Process& process, std::uint32_t index, mem::FcmOnDemand* pages);
  // Before anybody arms a ticket. kNoMemory.
  Status TakeSink();
  ~ProcessDispatcher();

  // Of the call or trap that the present thread serves.
  static ProcessDispatcher* Current();
  static ProcessDispatcher& Of(sched::Dispatcher& dispatcher) {
    return static_cast<ProcessDispatcher&>(dispatcher.owner());
  }

  cobj::Ref<cobj::ITicketSink> sink() const { return sink_->self(); }
  // ipc::TicketSink::Owner
  void TicketFired() override { scheduled_.Post(abi::kEventTicket); }
  // ipc::TicketPages: after the dispatcher's own.
  Status Make(std::uint32_t page) override { return pages_->Make(page + 1); }
  abi::TicketResults::Entry* At(std::uint32_t page) override {
    return pages_->data<abi::TicketResults::Entry>(page + 1);
  }

  Result<std::uint32_t> Arm(std::uint32_t number) { return sink_->tickets().Arm(number); }
  // Any CPU.
  Status CancelTicket(std::uint32_t number) { return sink_->tickets().Cancel(number); }
  // No ticket fires any more. True: threads of other CPUs may be inside, until a global grace
  // period has passed.
  [[nodiscard]] bool Retire() { return sink_->Retire() || calls_.reached_elsewhere(); }

  // The trace buffer's address in the process, made at the first asking. kNoMemory, kLimitExceeded.
  Result<std::uint64_t> TraceBuffer();

  // As new, for a process that starts again (Process.Replace).
  void Reset();

  // sched::DispatcherOwner
  void LoadSpace() override;
  void Ended() override;
  bool FindActivity() override { return calls_.FindActivity(); }
  void FinishFirst(machine::TrapFrame* frame) override { calls_.FinishFirst(frame); }
  void EndCalls() override { calls_.End(); }
  void Parked() override { parked_.store(true, std::memory_order_release); }

  // Forgets everything and gives up the CPU; does not return.
  [[noreturn]] void Park();
  bool parked() const { return parked_.load(std::memory_order_acquire); }
  // It is the caller's now, to be given a state and admitted. False: it is not parked.
  bool TakeParked() {
    bool parked = true;
    return parked_.compare_exchange_strong(parked, false, std::memory_order_acquire);
  }

  ipc::CallEnd& calls() { return calls_; }

  // The page is on its way: the dispatcher waits, and this does not return.
  [[noreturn]] void WaitForPage(machine::TrapFrame* frame);
  // What to wait with for the page of `address`.
  mem::FaultWaiter* WaiterFor(std::uint64_t address) { return fault_.For(address); }
  // Why the page, if it was waited for, did not come; asking forgets it.
  Status TakeFaultStatus(std::uint64_t address);
  // For a fault that blocks the thread only: what to wait with, holding the process; null if there
  // is no memory or no id. ReturnBlockedFault if it came to no waiting.
  BlockedFaults::Fault* TakeBlockedFault(std::uint64_t address);
  const BlockedFaults& blocked_faults() const { return *blocked_; }
  void ReturnBlockedFault(BlockedFaults::Fault* fault);
  // BlockedFaults::Owner
  void FaultOver() override;

  sched::Dispatcher& scheduled() { return scheduled_; }
  const sched::Dispatcher& scheduled() const { return scheduled_; }
  Process& process() const { return process_; }
  mem::FcmOnDemand* pages() const { return pages_; }
  std::uint64_t user_page() const { return scheduled_.user_page(); }

  std::uint32_t index() const { return index_; }
  // The task of the process that its calls are made for (DispatcherCall::kSetTask). Another
  // dispatcher may end that task, and changes this then.
  std::uint32_t task() const { return task_.load(std::memory_order_relaxed); }
  void ActFor(std::uint32_t task) { task_.store(task, std::memory_order_relaxed); }
  void NoLongerActFor(std::uint32_t task, std::uint32_t instead) {
    task_.compare_exchange_strong(task, instead, std::memory_order_relaxed);
  }
  // Set by Process.Replace: goes on with user_state() instead of returning from the call.
  bool restart = false;

 private:
  struct Fault : WholeFault {
    explicit Fault(ProcessDispatcher* owner_in) : WholeFault(OnPage), owner(owner_in) {}
    ProcessDispatcher* const owner;
  };
  static void OnPage(mem::FaultWaiter* waiter);

  Process& process_;
  const std::uint32_t index_;
  std::atomic<std::uint32_t> task_{0};
  std::atomic<bool> parked_{false};
  mem::FcmOnDemand* const pages_;
  sched::Dispatcher scheduled_;
  ipc::CallEnd calls_;
  ipc::TicketSink* sink_ = nullptr;
  TraceBuffers::Entry* trace_ = nullptr;
  Fault fault_;
  BlockedFaults* blocked_ = nullptr;  // made when first needed
};

}  // namespace k42::proc
