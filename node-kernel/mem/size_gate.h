// SizeGate: many who write a file, or one who cuts it.
//
// A write puts pages into a file and then says that the file reaches there; a cut says that it
// reaches less far and then takes pages out. One in the middle of the other would lose bytes that
// were acknowledged. Writers go in together, a cut alone, in the order they came: nobody starves.
//
// Not a Mutex: a writer may be held up for long by a fault on the bytes it writes, so those who
// wait do it by Thread::BlockExternal. No lock is held between entering and leaving.
#pragma once

#include <cstdint>

#include "machine/spin_lock.h"
#include "mem/types.h"

namespace k42::mem {

class SizeGate {
 public:
  enum class Kind : std::uint8_t { kShared, kAlone };

  constexpr SizeGate() = default;
  SizeGate(const SizeGate&) = delete;
  SizeGate& operator=(const SizeGate&) = delete;

  // Waits. Thread context, no spin lock held.
  void Enter(Kind kind);
  // False: it would have to wait.
  bool TryEnter(Kind kind);
  void Leave();

 private:
  struct Waiter;
  bool EnterLocked(Kind kind) K42_REQUIRES(lock_);

  machine::SpinLock<LockRank::kWaitQueue> lock_;
  std::int32_t inside_ K42_GUARDED_BY(lock_) = 0;  // writers; kOneAlone: one who cuts
  FaultWaiters waiters_ K42_GUARDED_BY(lock_);     // all of them are Waiters
};

// SizePass pass(gate, SizeGate::Kind::kAlone);
class SizePass {
 public:
  SizePass(SizeGate& gate, SizeGate::Kind kind) : gate_(gate) { gate_.Enter(kind); }
  // Has been entered already.
  explicit SizePass(SizeGate& gate) : gate_(gate) {}
  ~SizePass() { gate_.Leave(); }
  SizePass(const SizePass&) = delete;
  SizePass& operator=(const SizePass&) = delete;

 private:
  SizeGate& gate_;
};

}  // namespace k42::mem
