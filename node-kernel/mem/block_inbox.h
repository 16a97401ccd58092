// BlockInbox: chains of blocks on their way to one CPU's heap. Many send, one takes.
//
// A stack of what came since the last take, linked by Block::next. Whoever sends puts a whole chain
// on top with one compare-and-swap; whoever takes, takes everything at once, so no sender's swap
// can succeed on a top that went and came back (ABA).
// `Atomic` is a parameter for the interleaving test.
#pragma once

#include <atomic>

namespace k42::mem {

template <typename Block, template <typename> typename Atomic = std::atomic>
class BlockInbox {
 public:
  constexpr BlockInbox() = default;

  // The chain from `first` to `last` is the taker's from now on.
  void Send(Block* first, Block* last) {
    Block* top = top_.load(std::memory_order_relaxed);
    do {
      last->next = top;
    } while (!top_.compare_exchange_strong(top, first, std::memory_order_release,
                                           std::memory_order_relaxed));
  }
  // A chain, or null. The one taker.
  Block* TakeAll() {
    if (top_.load(std::memory_order_relaxed) == nullptr) {
      return nullptr;
    }
    return top_.exchange(nullptr, std::memory_order_acquire);
  }

 private:
  Atomic<Block*> top_{nullptr};
};

}  // namespace k42::mem
