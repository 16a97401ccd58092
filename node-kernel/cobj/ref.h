// Ref<I>: a reference to a clustered object, used like a pointer: ref->Method(...).
//
// A reference is an offset into the CPU's local table, the same on every CPU. The slot there is two
// words: word 0 is what the call uses as `this` (a rep, a forwarder, or the slot's own word 1),
// word 1 a vtable pointer. An empty slot's word 0 points at its word 1, so that the slot is its own
// fake object and the call lands in a miss stub (cobj/README.md, "The miss"). A warm call is one
// load and a virtual call.
//
// The load is `asm volatile` (machine/local_table.h): compilers otherwise keep the loaded pointer
// across calls or devirtualize, and both break hot swap. So every call loads the slot again, and no
// rep pointer is ever kept by a client. tests/checks/slot_loads.py looks at the machine code.
#pragma once

#include <concepts>
#include <cstdint>

#include "base/rights.h"
#include "machine/local_table.h"

namespace k42::cobj {

// A reference whose interface is not known at compile time. Zero: none.
using RefBits = std::uint32_t;

template <typename I>
class Ref {
 public:
  using Interface = I;

  constexpr Ref() = default;
  // A reference to an interface is also one to its base.
  template <typename J>
  requires requires(J* derived) { static_cast<I*>(derived); }
  constexpr Ref(Ref<J> other) : bits_(other.bits()) {}  // NOLINT

  static constexpr Ref FromBits(RefBits bits) {
    Ref ref;
    ref.bits_ = bits;
    return ref;
  }
  constexpr RefBits bits() const { return bits_; }

  explicit constexpr operator bool() const { return bits_ != 0; }
  constexpr bool operator==(const Ref&) const = default;

  // Precondition: not the empty reference. The pointer is for this one call. Debug kernels and the
  // hosted build check that the caller holds no lock.
  I* operator->() const {
    static_assert(
        std::same_as<typename I::ThisInterface, I>,
        "a Ref names an interface, never a class behind it: that could be called directly");
    machine::AssertMayCall();
    return static_cast<I*>(machine::LoadSlot(bits_));
  }

 private:
  RefBits bits_ = 0;
};

// A reference and what its receiver may do with it: the result type of methods that hand out
// objects. At the user boundary it becomes a handle with these rights.
template <typename I>
struct Granted {
  constexpr Granted() = default;
  constexpr Granted(Ref<I> ref_, std::uint32_t rights_ = kAllRights)  // NOLINT
      : ref(ref_), rights(rights_) {}
  template <typename J>
  requires requires(J* derived) { static_cast<I*>(derived); }
  constexpr Granted(Ref<J> ref_) : ref(ref_), rights(kAllRights) {}  // NOLINT
  constexpr operator Ref<I>() const { return ref; }                  // NOLINT

  Ref<I> ref;
  std::uint32_t rights = kNoRights;
};

}  // namespace k42::cobj
