// TicketWord: one ticket's life, in one atomic word, so that an operation's end and its
// cancellation meet exactly once.
//
// States, with a generation that counts operations:
//   idle        no operation; Cancel answers "already completed"
//   armed       an operation of this generation may fire it
//   publishing  the operation won; its result is being written to user space's page
//
//   idle --Arm--> armed --Fire--> publishing --Fire--> idle (generation + 1), user space is told
//                 armed --Cancel--> idle (generation + 1)
//                 armed --Arm--> armed (generation + 1): the earlier operation fires in vain
//
// Fire and Cancel begin with compare-and-swaps from the same value: one of them wins, the other
// learns it. User space that was told "already completed" waits for the ticket's bit before it uses
// the number again. It is told by the bit once the word is idle, so whoever has seen the bit can
// arm at once; who does not wait for the bit may be refused, or take a late one for its next
// operation's, and harms nobody else.
//
// The word says nothing about who still uses the pages and the dispatcher: a firing is at both
// after the word is idle. That is FiringCount's: counted before it looks at any word, until it is
// through. So after all words have been cancelled and then nobody was counted, no firing is inside
// and none will be.
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

  // True: this firing was the operation's one end. `write` its result, `tell` user space of it.
  // Precondition: the caller is counted in a FiringCount.
  template <typename Write, typename Tell>
  bool Fire(std::uint32_t generation, Write write, Tell tell) {
    std::uint32_t expected = Word(generation, kArmed);
    if (!word_.compare_exchange_strong(expected, Word(generation, kPublishing),
                                       std::memory_order_acq_rel, std::memory_order_relaxed))
      return false;
    write();
    word_.store(Word(Next(Word(generation, kIdle)), kIdle), std::memory_order_release);
    tell();
    return true;
  }

  // True: cancelled, no firing of the operation will win. False: it has fired, or there was none;
  // whoever fired it was counted before, and is seen there by who looks next.
  bool Cancel() {
    std::uint32_t word = word_.load(std::memory_order_acquire);
    while (StateOf(word) == kArmed) {
      if (word_.compare_exchange_strong(word, Word(Next(word), kIdle), std::memory_order_seq_cst,
                                        std::memory_order_acquire))
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

// How many firings are at the tickets of one dispatcher, and at what belongs to it.
template <template <typename> class Atomic = std::atomic>
class FiringCountOver {
 public:
  void Enter() { inside_.fetch_add(1, std::memory_order_seq_cst); }
  void Leave() { inside_.fetch_sub(1, std::memory_order_release); }
  // After cancelling. False: no firing that won is inside, or will be.
  bool any() const { return inside_.load(std::memory_order_seq_cst) != 0; }

 private:
  Atomic<std::uint32_t> inside_{0};
};

using FiringCount = FiringCountOver<>;

}  // namespace k42::ipc
