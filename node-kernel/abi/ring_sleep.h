// How one side of a ring sleeps and the other wakes it: two words, no lost wake.
//
//   sleeper:  Announce (sleeping = 1), look at the progress word once more, sleep if still nothing;
//             Retract when it goes on working.
//   waker:    publish progress, then TakeWake: true means "ring the doorbell", once per
//   announcement.
//
// Each side writes its own word and then reads the other's, so both pairs must be sequentially
// consistent: with a release store the write can sit in the store buffer while the read is done,
// both sides see the old world, and the sleeper sleeps for good. tests/unit/abi walks through every
// interleaving, store buffers modelled, and shows that the weaker order fails. (No fences here:
// ThreadSanitizer does not understand them.)
//
// A hostile other side can only cost us a doorbell too many or keep itself asleep.
#pragma once

#include <atomic>
#include <cstdint>

namespace k42::abi {

template <template <typename> class Atomic = std::atomic,
          std::memory_order kOrder = std::memory_order_seq_cst>
struct RingSleep {
  // The sleeper's. After it, progress must be looked at again by Progress().
  static void Announce(Atomic<std::uint32_t>& sleeping) { sleeping.store(1, kOrder); }
  static void Retract(Atomic<std::uint32_t>& sleeping) {
    sleeping.store(0, std::memory_order_relaxed);
  }
  static std::uint64_t Progress(const Atomic<std::uint64_t>& progress) {
    return progress.load(std::memory_order_seq_cst);
  }

  // The waker's.
  static void Publish(Atomic<std::uint64_t>& progress, std::uint64_t value) {
    progress.store(value, kOrder);
  }
  static bool TakeWake(Atomic<std::uint32_t>& sleeping) {
    return sleeping.load(std::memory_order_seq_cst) != 0 &&
           sleeping.exchange(0, std::memory_order_seq_cst) != 0;
  }
};

}  // namespace k42::abi
