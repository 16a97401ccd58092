// Root: what creates and knows the reps of one clustered object. Every object has one; the object
// table's entry leads to it, and a miss asks it whom to call.
//
// States: building -> open -> closed -> disposed. Open: misses reach it. Closed: the object has
// been destroyed (or swapped out); no rep is installed any more, and the translation set is final.
// Disposed: no thread is inside, memory is returned.
//
// The translation set holds the CPUs whose slot was ever filled: they alone have slots to empty.
// Locking: lock_ (rank kRoot) guards the translation set, state_ and what subclasses say. No rep
// is called, and nothing allocated, under it.
#pragma once

#include <cstdint>

#include "base/allocator.h"
#include "base/cpu_set.h"
#include "base/result.h"
#include "cobj/code_use.h"
#include "cobj/grace.h"
#include "cobj/ref.h"
#include "machine/cpu_message.h"
#include "machine/spin_lock.h"

namespace k42::cobj {

class Transferable;
struct Instance;

class Root {
 public:
  // `cpu`, the caller's, called through its empty slot. Returns the interface pointer to call with.
  // The root may install it (then later calls do not come here) or hand out something for this one
  // call only. An error is the call's result.
  virtual Result<void*> HandleMiss(machine::CpuId cpu, std::uint32_t method);

  // The rep that calls from `cpu` reach, made if need be.
  virtual Result<void*> ObjectFor(machine::CpuId cpu) = 0;

  // Nobody is inside any more: destroys the reps and the root itself.
  virtual void Dispose(Allocator& allocator) = 0;

  // Null: this object cannot be swapped.
  virtual Transferable* transferable() { return nullptr; }
  // A swap of this object is going on: this is its mediator.
  virtual bool swapping() const { return false; }
  // True: the object is in the middle of something and will be destroyed when that is over.
  virtual bool DeferDestroy() { return false; }

  RefBits bits() const { return bits_; }
  // The factory's record of this object, if one made it. Swaps hand it on.
  Instance* instance() const { return instance_; }
  void SetInstance(Instance* instance) { instance_ = instance; }
  // The version whose code the root consists of, if a factory made it: counted there until
  // DisposeOf. Once, by the maker.
  void SetCode(CodeUse& code) {
    code_ = &code;
    code.Add();
  }
  CodeUse* code() const { return code_; }
  CpuSet translation_set() const;

  // -- for the object system
  // -----------------------------------------------------------------------
  void SetBits(RefBits bits) { bits_ = bits; }
  // No slot is filled from now on; the CPUs whose slots have been.
  CpuSet Close();
  // Also returns CPUs whose reps hold state though their slot was never filled: after a swap.
  CpuSet Supersede();
  void SetHolders(CpuSet cpus);
  // Superseded no more. The translation set stays, though no slot is filled: an abandoned swap may
  // leave calls inside on those CPUs, for whom a destruction must wait.
  void Reopen();

  // What carries the root through its destruction (object_manager.h).
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
  constexpr Root() = default;
  ~Root() = default;
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;

  // Fills this CPU's slot, so that calls reach `object` directly. kDeleted once closed; kMoved once
  // superseded: the miss then tries the gate again.
  Status Install(machine::CpuId cpu, void* object);

  // What Install does under the lock; the caller then fills the slot without letting go of the CPU.
  Status AddLocked(machine::CpuId cpu) K42_REQUIRES(lock_);
  CpuSet TranslationSetLocked() const K42_REQUIRES(lock_) { return translation_set_; }

  mutable machine::SpinLock<LockRank::kRoot> lock_;
  enum class State : std::uint8_t { kOpen, kSuperseded, kClosed };
  State state_ K42_GUARDED_BY(lock_) = State::kOpen;

 private:
  RefBits bits_ = 0;
  Instance* instance_ = nullptr;
  CodeUse* code_ = nullptr;
  CpuSet translation_set_ K42_GUARDED_BY(lock_);
  CpuSet holders_ K42_GUARDED_BY(lock_);
  Departure departure_;
};

// root.Dispose, and its code is told.
void DisposeOf(Root* root, Allocator& allocator);

}  // namespace k42::cobj
