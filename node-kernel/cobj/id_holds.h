// IdHolds: who keeps an object's id, of objects that others destroy while handles name them (the
// cluster's, removed by name or gone with their home). The id is nobody else's until the last of
// them has let go, so that a late handle's call answers kDeleted and never reaches a new object.
//
// Objects are not kept alive by this, and not told. In the way of an id after its object's end
// (object_manager.h, step 5):
//
//   AfterGrace   kFree    nobody has held it since the grace period before: it may be reused
//                kAgain   it was held meanwhile, and is not now: who found it by what held it
//                         may be in a call, so it waits for a further grace period
//                kLeft    it is held: the last Release says so, and the id goes on with that
//
// Hold is for who has the reference within a call that began before the object's end, or holds it.
// Locking: none; one atomic word. `Atomic` is a parameter for the interleaving test.
#pragma once

#include <atomic>
#include <cstdint>

namespace k42::cobj {

template <template <typename> typename Atomic = std::atomic>
class BasicIdHolds {
 public:
  enum class Next : std::uint8_t { kFree, kAgain, kLeft };

  void Hold() {
    Change([](std::uint32_t word) { return (word | kSeen) + kOne; });
  }
  // True, once for each kLeft: the id is to wait for a grace period.
  bool Release() {
    const std::uint32_t before = Change([](std::uint32_t word) {
      const std::uint32_t after = word - kOne;
      return after < kOne && (after & kWaits) != 0 ? 0 : after;
    });
    return before < 2 * kOne && (before & kWaits) != 0;
  }
  // With no hold under way that began before the grace period.
  Next AfterGrace() {
    if (word_.load(std::memory_order_acquire) == 0) [[likely]]
      return Next::kFree;
    const std::uint32_t before =
        Change([](std::uint32_t word) { return word < kOne ? 0 : word | kWaits; });
    return before < kOne ? Next::kAgain : Next::kLeft;
  }

 private:
  static constexpr std::uint32_t kSeen = 1;   // held since AfterGrace was asked
  static constexpr std::uint32_t kWaits = 2;  // for the last Release
  static constexpr std::uint32_t kOne = 4;    // hold

  template <typename Next>
  std::uint32_t Change(Next next) {
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    while (!word_.compare_exchange_strong(word, next(word), std::memory_order_acq_rel,
                                          std::memory_order_relaxed)) {
    }
    return word;
  }

  Atomic<std::uint32_t> word_{0};
};

using IdHolds = BasicIdHolds<>;

}  // namespace k42::cobj
