// SlotWord: which slots of a call table are free, and who else keeps the table, in one atomic word,
// so that exactly one of those who let go finds that it was the last.
//
//   bits 31:0   one per slot: free
//   bits 63:32  holds: the server's dispatcher, and each object that leads to the table
//
// A taken slot keeps the table like a hold. `Atomic` is a parameter for the interleaving test.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

namespace k42::ipc {

inline constexpr std::uint32_t kMaxCallSlots = 32;

template <template <typename> typename Atomic = std::atomic>
class BasicSlotWord {
 public:
  // With one hold. Precondition: 1 <= slots <= kMaxCallSlots.
  explicit BasicSlotWord(std::uint32_t slots)
      : all_(slots == kMaxCallSlots ? kSlots : (std::uint64_t{1} << slots) - 1),
        word_(all_ | kHold) {}

  static constexpr std::uint32_t kNone = ~0u;

  // A free slot, which is the caller's from now on; kNone.
  std::uint32_t Take() {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while ((word & kSlots) != 0) {
      if (word_.compare_exchange_strong(word, word & (word - 1), std::memory_order_acquire,
                                        std::memory_order_relaxed))
        return static_cast<std::uint32_t>(std::countr_zero(word));
    }
    return kNone;
  }
  // Precondition: taken. True: nobody is left.
  [[nodiscard]] bool Give(std::uint32_t slot) {
    const std::uint64_t bit = std::uint64_t{1} << slot;
    return word_.fetch_add(bit, std::memory_order_acq_rel) + bit == all_;
  }

  void Hold() { word_.fetch_add(kHold, std::memory_order_relaxed); }
  [[nodiscard]] bool Drop() {
    return word_.fetch_sub(kHold, std::memory_order_acq_rel) - kHold == all_;
  }

  bool IsTaken(std::uint32_t slot) const {
    return (word_.load(std::memory_order_relaxed) >> slot & 1) == 0;
  }

 private:
  static constexpr std::uint64_t kHold = std::uint64_t{1} << 32;
  static constexpr std::uint64_t kSlots = kHold - 1;

  const std::uint64_t all_;
  Atomic<std::uint64_t> word_;
};

using SlotWord = BasicSlotWord<>;

}  // namespace k42::ipc
