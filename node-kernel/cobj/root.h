// Root: what creates and knows the reps of one clustered object. Every object has one; the object
// table's entry leads to it, and a miss asks it whom to call.
//
// States: building -> open -> closed -> disposed. Open: misses reach it. Closed: the object has
// been destroyed (or swapped out); no rep is installed any more, and the translation set is final.
// Disposed: no thread is inside, memory is returned.
//
// The translation set holds the CPUs whose slot was ever filled: they alone have slots to empty.
// Locking: lock_ (rank kRoot) guards the translation set, closed_ and what subclasses say. No rep
// is called, and nothing allocated, under it.
#pragma once

#include <cstdint>

#include "base/allocator.h"
#include "base/cpu_set.h"
#include "base/result.h"
#include "cobj/grace.h"
#include "cobj/ref.h"
#include "machine/cpu_message.h"
#include "machine/spin_lock.h"

namespace k42::cobj {

class Root {
 public:
  // `cpu`, the caller's, called through its empty slot. Returns the interface pointer to call with.
  // The root may install it (then later calls do not come here) or hand out something for this one
  // call only. An error is the call's result.
  virtual Result<void*> HandleMiss(machine::CpuId cpu, std::uint32_t method) = 0;

  // Nobody is inside any more: destroys the reps and the root itself.
  virtual void Dispose(Allocator& allocator) = 0;

  RefBits bits() const { return bits_; }
  CpuSet translation_set() const;

  // -- for the object system
  // -----------------------------------------------------------------------
  void SetBits(RefBits bits) { bits_ = bits; }
  // No slot is filled from now on; the CPUs whose slots have been.
  CpuSet Close();
  // A root that takes over an id knows where its slots are filled.
  void SetTranslationSet(CpuSet set);

  // What carries the root through its destruction (destruction.h).
  struct Departure {
    struct Visit : machine::CpuMessage {
      Root* root = nullptr;
    };
    struct Wait : GraceWait {
      Root* root = nullptr;
    };
    Visit visit;
    Wait wait;
    CpuSet to_visit;
    machine::CpuId home = 0;
  };
  Departure& departure() { return departure_; }

 protected:
  Root() = default;
  ~Root() = default;
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;

  // Fills this CPU's slot, so that calls reach `object` directly. kDeleted once closed.
  Status Install(machine::CpuId cpu, void* object);

  mutable machine::SpinLock<LockRank::kRoot> lock_;
  bool closed_ K42_GUARDED_BY(lock_) = false;

 private:
  RefBits bits_ = 0;
  CpuSet translation_set_ K42_GUARDED_BY(lock_);
  Departure departure_;
};

}  // namespace k42::cobj
