// TicketSink: the clustered object behind Ref<ITicketSink> of a process's dispatcher: its tickets,
// and whom to wake when one fires.
//
// Operations keep tickets for as long as they like, long after the dispatcher has gone; and ids of
// destroyed objects are reused. So a sink is never destroyed: a dispatcher borrows one, gives it
// back when it ends, and another dispatcher gets it, tickets and generations together. A late
// firing finds a ticket of a later generation and is in vain.
//
// States: idle (in the pool) -> lent (Take) -> retired (all tickets cancelled; firings that had
// begun are finishing) -> idle (Give, once no firing is inside).
#pragma once

#include "base/allocator.h"
#include "base/intrusive_list.h"
#include "cobj/ticket.idl.h"
#include "ipc/ticket_table.h"
#include "machine/cpu.h"
#include "machine/spin_lock.h"

namespace k42::ipc {

class TicketSink final : public cobj::ITicketSink, public ListLink<> {
 public:
  using Interface = cobj::ITicketSink;

  class Owner {
   public:
    // Its page says which ticket. Any CPU, thread context.
    virtual void TicketFired() = 0;

   protected:
    ~Owner() = default;
  };

  void SetSelf(cobj::Ref<cobj::ITicketSink> self) { self_ = self; }
  cobj::Ref<cobj::ITicketSink> self() const { return self_; }
  TicketTable& tickets() { return tickets_; }

  // No firing wins any more. True: one that has won already may be writing still, on whatever CPU:
  // owner and pages stay until a global grace period has passed. False: no firing is inside.
  [[nodiscard]] bool Retire() { return tickets_.Retire(); }

  // cobj::ITicketSink
  Result<std::uint32_t> Arm(std::uint32_t number) override { return tickets_.Arm(number); }
  Status Fire(std::uint32_t ticket, std::int64_t status, std::uint64_t value) override;

 private:
  friend class TicketSinks;

  cobj::Ref<cobj::ITicketSink> self_;
  Owner* owner_ = nullptr;  // whoever won a firing sees it set: arming comes after
  TicketTable tickets_;
};

// The idle sinks of a node. It only grows, to the most dispatchers there ever were at a time, and a
// few for each CPU: those keep what was given back there, and exchange kBatch at a time with the
// list that all have in common. So CPUs whose processes come and go write no common line.
//
// Locking: lock_ guards that list; a CPU's own is its threads' only.
class TicketSinks {
 public:
  TicketSinks() = default;
  TicketSinks(const TicketSinks&) = delete;
  TicketSinks& operator=(const TicketSinks&) = delete;

  // A sink for `owner`, whose page (the kernel's alias) and results these are.
  Result<TicketSink*> Take(TicketSink::Owner& owner, abi::DispatcherPage* page,
                           TicketPages& results);
  // Precondition: retired, and no firing is inside; or never armed.
  void Give(TicketSink* sink);

 private:
  static constexpr std::uint32_t kBatch = 8;
  struct alignas(64) Local {
    IntrusiveList<TicketSink> idle;
    std::uint32_t count = 0;
  };
  Local& Here() { return local_[machine::CurrentCpu()]; }

  Local local_[machine::kMaxCpus];
  machine::SpinLock<LockRank::kWaitQueue> lock_;
  IntrusiveList<TicketSink> idle_ K42_GUARDED_BY(lock_);
};

}  // namespace k42::ipc
