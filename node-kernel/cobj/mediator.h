// Mediator: stands between callers and an object while it is being swapped.
//
// It takes the old root's place behind the gate; CPUs whose slots have been emptied miss to it and
// get its forwarder, so that from then on calls are counted, per CPU, without any shared word:
//
//   forward  calls go to the old object and are counted in and out
//   block    new calls wait; calls of a thread that is inside already (recursion) still go through.
//            When the counts of all CPUs are zero, nobody is inside the old object.
//   over     calls go to whatever is behind the reference now: waiting ones too
//
// A thread never migrates, so each count is touched by its CPU's threads only. The block phase's
// CPUs are fixed when it starts: a CPU that first calls afterwards waits in its miss (`late`). The
// mediator goes when the swap is over and the last counted call has left (after an abandoned swap
// there may be some).
#pragma once

#include <cstdint>

#include "cobj/call_count.h"
#include "cobj/count_down.h"
#include "cobj/cpu_steps.h"
#include "cobj/forwarder.h"
#include "cobj/root.h"

namespace k42::cobj {

class Mediator : public Root, public ForwardPolicy {
 public:
  using Phase = CallCount::Phase;

  Mediator(Root& old, CpuSteps& blocking) : old_(old), object_(old.bits()), blocking_(blocking) {
    SetBits(object_);
  }

  // -- Root
  // -----------------------------------------------------------------------------------------
  Result<void*> HandleMiss(machine::CpuId cpu, std::uint32_t method) override;
  Result<void*> ObjectFor(machine::CpuId) override { return Status::kBusy; }
  bool swapping() const override { return true; }
  bool DeferDestroy() override;

  // -- ForwardPolicy
  // --------------------------------------------------------------------------------
  Result<void*> Enter(ForwardRecord& record) override;
  void Leave(const ForwardRecord& record) override;

  // -- for the swap
  // --------------------------------------------------------------------------------- The CPUs that
  // must be told to block: no other will ever be inside.
  CpuSet StartBlocking();
  bool BlockHere();  // true: nobody inside on this CPU
  // The CPUs that must be told that it is over, and whether a destroy waits.
  struct Ending {
    CpuSet cpus;
    bool destroy;
  };
  Ending End();
  void EndHere();
  // Gone when the last counted call has left.
  void Release();

 protected:
  ~Mediator() = default;
  virtual void* forwarder() = 0;

 private:
  struct Waiter {
    machine::Thread* thread;
    Waiter* next;
    bool woken;
  };
  struct alignas(64) PerCpu {
    void* target = nullptr;  // the old object's rep for this CPU
    CallCount calls;
    Waiter* waiters = nullptr;
  };
  PerCpu& Here() { return cpus_[machine::CurrentCpu()]; }
  static void AddWaiter(PerCpu& cpu, Waiter& waiter);
  static void WaitHere(PerCpu& cpu);

  Root& old_;
  const RefBits object_;  // bits() becomes 0 when the mediator is retired
  CpuSteps& blocking_;    // hears from each CPU where nobody is inside any more
  Phase phase_ K42_GUARDED_BY(lock_) = Phase::kForward;
  CpuSet late_ K42_GUARDED_BY(lock_);
  bool destroy_waits_ K42_GUARDED_BY(lock_) = false;
  CountDown holds_{1};  // the swap, and CPUs with calls inside after its end
  PerCpu cpus_[machine::kMaxCpus];
};

// The mediator of objects with interface I.
template <typename I>
class MediatorFor final : public Mediator {
 public:
  MediatorFor(Root& old, CpuSteps& blocking) : Mediator(old, blocking), forwarder_(*this) {}
  void Dispose(Allocator& allocator) override { allocator.Destroy(this); }

 private:
  void* forwarder() override { return static_cast<I*>(&forwarder_); }
  Forwarder<I> forwarder_;
};

}  // namespace k42::cobj
