// HandleEntry: one index of a handle table, read without a lock.
//
// Taken (it has an interface) or free. Its version counts the objects that were behind it; the low
// 8 bits are the generation of the handle that names the present one, or will name the next.
//
//   free --Fill--> taken --Empty--> free, version + 1
//
// Whoever fills and empties holds the table's lock. A reader may meet any of it half done: it takes
// interface and bits for one object's only if the version was the same before and after. Emptying
// takes the interface away before the version moves on, filling stores the bits before the
// interface: so what belongs to the next object is never seen with the version of the last one.
// The version returns to a value after 2^32 objects.
//
// `Atomic` is a parameter for the interleaving test.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

#include "cobj/interface_info.h"

namespace k42::ipc {

template <template <typename> typename Atomic = std::atomic>
class BasicHandleEntry {
 public:
  // -- any thread --

  // False: nothing is there under that generation.
  bool Read(std::uint32_t generation, cobj::ObjectRef* object) const {
    const std::uint32_t version = version_.load(std::memory_order_acquire);
    const cobj::InterfaceInfo* info = info_.load(std::memory_order_acquire);
    const std::uint64_t bits = bits_.load(std::memory_order_acquire);
    if ((version & 0xff) != generation || info == nullptr ||
        version_.load(std::memory_order_relaxed) != version)
      return false;
    object->ref = static_cast<cobj::RefBits>(bits);
    object->rights = static_cast<std::uint32_t>(bits >> 32);
    object->info = info;
    return true;
  }
  std::uint8_t generation() const {
    return static_cast<std::uint8_t>(version_.load(std::memory_order_acquire));
  }

  // -- with the table's lock, or while nobody else knows the table --

  bool taken() const { return info_.load(std::memory_order_relaxed) != nullptr; }
  bool IsTakenAs(std::uint32_t generation) const {
    return taken() && (version_.load(std::memory_order_relaxed) & 0xff) == generation;
  }
  cobj::ObjectRef object() const {
    const std::uint64_t bits = bits_.load(std::memory_order_relaxed);
    return {static_cast<cobj::RefBits>(bits), static_cast<std::uint32_t>(bits >> 32),
            info_.load(std::memory_order_relaxed)};
  }
  void Fill(const cobj::ObjectRef& object) {
    static_assert(sizeof(cobj::RefBits) == 4);
    bits_.store(std::uint64_t{object.rights} << 32 | object.ref, std::memory_order_release);
    info_.store(object.info, std::memory_order_release);
  }
  void Empty() {
    info_.store(nullptr, std::memory_order_relaxed);
    version_.store(version_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  // Of a free entry of a table that nobody else knows.
  void StartAt(std::uint32_t generation) { version_.store(generation, std::memory_order_relaxed); }

  std::uint32_t next_free = 0;  // free: the next one, 0 is none
  bool keep = false;            // scratch of KeepOnly

 private:
  Atomic<std::uint64_t> bits_{0};
  Atomic<const cobj::InterfaceInfo*> info_{nullptr};
  Atomic<std::uint32_t> version_{0};
};

using HandleEntry = BasicHandleEntry<>;

}  // namespace k42::ipc
