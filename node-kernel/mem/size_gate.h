// SizeGate: many who write a file, or one who changes its size or takes pages out.
//
// A write puts pages into a file and then says that the file reaches there; a cut says that it
// reaches less far and then takes pages out. One in the middle of the other would lose bytes that
// were acknowledged. Writers go in together; a cut goes in alone, and so does who writes where the
// file ends. In the order they came: nobody starves.
//
// It is a ReadWriteLock's queue, and not that lock: a writer may be held up for long by a fault on
// the bytes it writes, so those who wait do it by Thread::BlockExternal. Being inside is holding no
// lock; and within a call of user space nobody waits for it (cobj/may_block.h).
#pragma once

#include <cstdint>

#include "mem/types.h"
#include "sync/read_write_lock.h"

namespace k42::mem {

class SizeGate {
 public:
  enum class Kind : std::uint8_t { kShared, kAlone };

  constexpr SizeGate() = default;
  SizeGate(const SizeGate&) = delete;
  SizeGate& operator=(const SizeGate&) = delete;

  // Waits. Thread context, no spin lock held.
  void Enter(Kind kind) {
    queue_.Acquire(kind == Kind::kAlone, sync::ReadWriteQueue::Waits::kExternally);
  }
  // False: it would have to wait.
  bool TryEnter(Kind kind) { return queue_.TryAcquire(kind == Kind::kAlone); }
  void Leave(Kind kind) { queue_.Release(kind == Kind::kAlone); }

 private:
  sync::ReadWriteQueue queue_;
};

// const SizePass pass(gate, SizeGate::Kind::kAlone);
class SizePass {
 public:
  SizePass(SizeGate& gate, SizeGate::Kind kind) : SizePass(gate, kind, Waiting::kYes) {}
  // With kNo it may stay outside.
  SizePass(SizeGate& gate, SizeGate::Kind kind, Waiting waiting) : gate_(gate), kind_(kind) {
    if (waiting == Waiting::kNo) {
      entered_ = gate.TryEnter(kind);
    } else {
      gate.Enter(kind);
    }
  }
  ~SizePass() {
    if (entered_) {
      gate_.Leave(kind_);
    }
  }
  SizePass(const SizePass&) = delete;
  SizePass& operator=(const SizePass&) = delete;

  bool entered() const { return entered_; }

 private:
  SizeGate& gate_;
  const SizeGate::Kind kind_;
  bool entered_ = true;
};

}  // namespace k42::mem
