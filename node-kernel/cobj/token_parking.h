// TokenParking: the grace token sleeps when nobody waits, and nobody waits for a sleeping token.
//
// The holder parks the token, then looks whether somebody waits; a waiter counts itself, then looks
// whether the token is parked. Each writes before it reads, so they cannot both miss the other; and
// taking the parked token is an exchange, so that only one of them gets it.
//
// States of the token: parked (nobody has it) <-> travelling (exactly one CPU has it).
#pragma once

#include <atomic>
#include <cstdint>

namespace k42::cobj {

template <template <typename> typename Atomic = std::atomic>
class BasicTokenParking {
 public:
  constexpr BasicTokenParking() = default;

  // A new waiter. True: the token was parked, and the caller holds it now.
  bool AddWaiter() {
    waiters_.fetch_add(1, std::memory_order_seq_cst);
    return parked_.exchange(0, std::memory_order_seq_cst) != 0;
  }
  void RemoveWaiters(std::uint32_t count) { waiters_.fetch_sub(count, std::memory_order_relaxed); }

  // The holder asks whether to let go. True: parked, the caller no longer holds the token.
  bool TryPark() {
    if (waiters_.load(std::memory_order_relaxed) != 0)
      return false;
    parked_.store(1, std::memory_order_seq_cst);
    if (waiters_.load(std::memory_order_seq_cst) == 0)
      return true;
    // Somebody came meanwhile: if he did not take it, it is still ours.
    return parked_.exchange(0, std::memory_order_seq_cst) == 0;
  }

  bool parked() const { return parked_.load(std::memory_order_relaxed) != 0; }

 private:
  Atomic<std::uint32_t> waiters_{0};
  Atomic<std::uint32_t> parked_{1};
};

using TokenParking = BasicTokenParking<>;

}  // namespace k42::cobj
