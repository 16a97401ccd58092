// TicketWord: one ticket's life, in one atomic word, so that an operation's end and its
// cancellation meet exactly once.
//
// States, with a generation that counts operations:
//   idle        no operation; Cancel answers "already completed"
//   armed       an operation of this generation may fire it
//   publishing  the operation won; its result is being written to user space's page
//
//   idle --Arm--> armed --BeginFire--> publishing --EndFire--> idle (generation + 1)
//                 armed --Cancel--> idle (generation + 1)
//                 armed --Arm--> armed (generation + 1): the earlier operation fires in vain
//
// BeginFire and Cancel are compare-and-swaps from the same value: one of them wins, the other
// learns it. User space that was told "already completed" waits for the ticket's bit before it uses
// the number again; Arm refuses while a result is being published, so a late bit cannot be taken
// for the next operation's.
//
// Generations wrap. An operation that was cancelled, or armed over, and that fires when exactly a
// multiple of kGenerations operations of its number have followed, while one is armed, ends that
// one. It takes a ticket that nobody fires for so long, and hits with one generation of 2^18: an
// event of the kernel's for the wrong one of its process's operations, and nothing of the kernel's
// rests on it. More generations would make a ticket more than a word.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/result.h"

namespace k42::ipc {

template <template <typename> class Atomic = std::atomic>
class TicketWordOver {
 public:
  static constexpr std::uint32_t kGenerations = 1u << 18;

  // The operation's generation, or kBusy while the last one's result is being written.
  Result<std::uint32_t> Arm() {
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      if (StateOf(word) == kPublishing)
        return Status::kBusy;
      const std::uint32_t generation = StateOf(word) == kArmed ? Next(word) : GenerationOf(word);
      if (word_.compare_exchange_strong(word, Word(generation, kArmed), std::memory_order_acq_rel,
                                        std::memory_order_relaxed))
        return generation;
    }
  }

  // True: this firing is the operation's one end; the caller writes the result, then EndFire.
  bool BeginFire(std::uint32_t generation) {
    std::uint32_t expected = Word(generation, kArmed);
    return word_.compare_exchange_strong(expected, Word(generation, kPublishing),
                                         std::memory_order_acq_rel, std::memory_order_relaxed);
  }
  void EndFire(std::uint32_t generation) {
    word_.store(Word(Next(Word(generation, kIdle)), kIdle), std::memory_order_release);
  }

  // True: cancelled, no firing of the operation will win. False: it has fired, or there was none.
  bool Cancel() {
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    while (StateOf(word) == kArmed) {
      if (word_.compare_exchange_strong(word, Word(Next(word), kIdle), std::memory_order_acq_rel,
                                        std::memory_order_relaxed))
        return true;
    }
    return false;
  }

 private:
  enum State : std::uint32_t { kIdle = 0, kArmed = 1, kPublishing = 2 };
  static constexpr std::uint32_t Word(std::uint32_t generation, State state) {
    return generation << 2 | state;
  }
  static constexpr State StateOf(std::uint32_t word) { return static_cast<State>(word & 3); }
  static constexpr std::uint32_t GenerationOf(std::uint32_t word) { return word >> 2; }
  static constexpr std::uint32_t Next(std::uint32_t word) {
    return (GenerationOf(word) + 1) & (kGenerations - 1);
  }

  Atomic<std::uint32_t> word_{0};
};

using TicketWord = TicketWordOver<>;

}  // namespace k42::ipc
