// Hot swap: another implementation takes the place of a live object, behind the same reference.
//
//   negotiate  old and new agree on a form of state (transfer.h), or the swap is refused, and
//              nothing has happened
//   forward    the mediator takes the old root's place; each CPU empties its slot, and when the
//              threads active then have ended, every call inside the old object is a counted one
//   block      new calls wait until no counted call is inside
//   transfer   each CPU exports, then each imports, in parallel
//   complete   the gate leads to the new root; waiting calls go on there; old and mediator are
//              retired
//
// Forward and block share one deadline: by then calls have gone to the new object, or the swap is
// abandoned. A thread that was inside at the start and stays there (or stays active anywhere: it
// might be inside) is such a case; its swap's record lives on until it has ended, and nobody waits.
//
// Costs nothing when there is none. One swap per object at a time (kBusy); a destroy meanwhile
// happens at its end. Abandoned (deadline: kTimedOut; a failed transfer: its status), the old
// object goes on as if nothing had happened. Two threads that wait for each other through two
// objects being swapped are such a case: the deadline resolves it.
//
// Thread context; the caller's thread is inactive while it waits, so it must not be inside any
// object that it wants to touch again without its reference.
#pragma once

#include <atomic>
#include <cstdint>

#include "cobj/make.h"
#include "cobj/mediator.h"
#include "cobj/transfer.h"
#include "machine/clock.h"

namespace k42::cobj {

class Swap {
 public:
  // `next` is not published yet, and belongs to the swap. `mediator` too.
  Swap(RefBits bits, Root& old, Root& next) : bits_(bits), old_(old), next_(next) {}

  // What the mediator reports to: a CPU where nobody is inside any more.
  CpuSteps& blocking() { return blocking_; }

  // Before anything is disturbed.
  Status Negotiate();
  // The mediator takes the old root's place, which a destruction cannot take away any more. Until
  // then whoever found the old root must stay counted in its gate. On failure (kBusy, kDeleted)
  // the mediator is gone.
  Status TakePlace(Mediator& mediator);
  Status Run(std::uint64_t deadline_ns);
  // Instead of destroying it: an abandoned swap may still be reported to, and goes after that.
  void Dispose(Allocator& allocator);

 private:
  Status Transfer();
  Status Finish(Status outcome);
  static bool ForwardStep(void* self, machine::CpuId cpu);
  static bool BlockStep(void* self, machine::CpuId cpu);
  static bool ExportStep(void* self, machine::CpuId cpu);
  static bool ImportStep(void* self, machine::CpuId cpu);
  static bool EndStep(void* self, machine::CpuId cpu);
  TransferStep StepOf(machine::CpuId cpu) { return {form_, cpu, users_, parts_}; }
  void Failed(Status status);

  struct Marker : GraceWait {
    CpuSteps* steps = nullptr;
  };

  const RefBits bits_;
  Root& old_;
  Root& next_;
  CpuSteps forwarding_;
  CpuSteps blocking_;
  CpuSteps steps_;  // of the phases without a deadline
  Allocator* allocator_ = nullptr;
  Mediator* mediator_ = nullptr;
  std::uint32_t form_ = 0;
  CpuSet users_;  // CPUs that used the old object
  std::atomic<Status> failure_{Status::kOk};
  std::uintptr_t parts_[machine::kMaxCpus] = {};
  Marker markers_[machine::kMaxCpus];
};

inline constexpr std::uint64_t kSwapDeadlineNs = 1'000'000'000;

// The object behind `ref` becomes `next`, a root with the same interface. On failure `next` is
// gone.
template <typename I>
Status SwapObject(Ref<I> ref, Root* next, std::uint64_t patience_ns = kSwapDeadlineNs) {
  Allocator& allocator = node_objects->allocator();
  MissGate& gate = node_objects->table().gate(ref.bits());
  Root* old = gate.Enter();
  if (old == nullptr) {
    DisposeOf(next, allocator);
    return Status::kDeleted;
  }
  const Result<Swap*> made = allocator.Make<Swap>(ref.bits(), *old, *next);
  Status status = made.status();
  if (made.ok()) {
    Swap& swap = *made.value();
    status = swap.Negotiate();
    if (status == Status::kOk) {
      const auto mediator = allocator.Make<MediatorFor<I>>(*old, swap.blocking());
      status = mediator.ok() ? swap.TakePlace(*mediator.value()) : mediator.status();
    }
    gate.Leave();
    if (status == Status::kOk)
      status = swap.Run(machine::MonotonicNs() + patience_ns);
    swap.Dispose(allocator);
  } else {
    gate.Leave();
  }
  if (status != Status::kOk)
    DisposeOf(next, allocator);
  return status;
}

}  // namespace k42::cobj
