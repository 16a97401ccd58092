// RequestWord: what threads of any CPU ask of a dispatcher (or the like) that belongs to one CPU,
// whose threads alone act on it, and its one message to that CPU.
//
//   Ask    adds requests; who finds the word empty sends the message. So it is in the CPU's queue
//          once at most, and whatever is asked before it is taken goes along.
//   Take   by the message's handler, before it acts on anything: from here on the message may be
//          sent again, and is, for whatever is asked from here on.
//   Close  by the owner's CPU, when nothing will be acted upon any more. True: no message is on its
//          way, and none will be sent. False: one is; its handler takes, and closes again. So there
//          is exactly one moment from which on nobody but late askers touches the owner, and they
//          the word only.
//
// Requests that contradict each other are asked by AskInstead: of two the later one stays. Whoever
// asks them sees to it that one is later.
//
// `Atomic` is a parameter for the interleaving test (tests/unit/sched/request_word_test.cc).
#pragma once

#include <atomic>
#include <cstdint>

namespace k42::sched {

template <template <typename> typename Atomic = std::atomic>
class BasicRequestWord {
 public:
  constexpr BasicRequestWord() = default;

  // True: the caller sends the message.
  [[nodiscard]] bool Ask(std::uint32_t requests) {
    return word_.fetch_or(requests, std::memory_order_acq_rel) == 0;
  }
  // The same, and `withdrawn` is not asked any more, unless it has been taken already.
  [[nodiscard]] bool AskInstead(std::uint32_t requests, std::uint32_t withdrawn) {
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    while (!word_.compare_exchange_strong(word, (word & ~withdrawn) | requests,
                                          std::memory_order_acq_rel, std::memory_order_relaxed)) {
    }
    return word == 0;
  }
  std::uint32_t Take() { return word_.exchange(0, std::memory_order_acq_rel); }
  [[nodiscard]] bool Close() { return Ask(kClosed); }

  // No message is on its way.
  bool quiet() const {
    const std::uint32_t word = word_.load(std::memory_order_relaxed);
    return word == 0 || (word & kClosed) != 0;
  }

 private:
  static constexpr std::uint32_t kClosed = 1u << 31;
  Atomic<std::uint32_t> word_{0};
};

using RequestWord = BasicRequestWord<>;

}  // namespace k42::sched
