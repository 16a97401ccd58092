// PumpTurn: one thread at a time pumps; what happens meanwhile is not lost, because who has the
// turn looks once more before it gives it up.
//
//   if (turn.Take()) { do { work } while (!turn.Leave()); }
//
// The turn may be handed to another thread, which then owes the Leave.
#pragma once

#include <atomic>
#include <cstdint>

namespace k42::io {

template <template <typename> typename Atomic = std::atomic>
class PumpTurn {
 public:
  constexpr PumpTurn() = default;

  // True: the turn is the caller's. False: whoever has it will look again.
  bool Take() { return word_.exchange(kAgain, std::memory_order_acq_rel) == kFree; }
  // Before a look at the work: what comes after this asks for another round.
  void Begin() { word_.exchange(kTaken, std::memory_order_acq_rel); }
  // True: given up. False: something came, Begin again.
  bool Leave() {
    std::uint32_t expected = kTaken;
    return word_.compare_exchange_strong(expected, kFree, std::memory_order_acq_rel);
  }

 private:
  enum : std::uint32_t { kFree, kTaken, kAgain };
  Atomic<std::uint32_t> word_{kFree};
};

}  // namespace k42::io
