// A lock-free queue from many producers to one consumer, which takes everything at once.
//
// The head word is a stack of elements pushed since the last TakeAll; reversing what was taken
// gives the order of pushing, so elements of one producer stay in its order. Push says whether the
// queue was empty: exactly one push per change from empty to non-empty says so, and that producer
// must tell the consumer (interrupt, wake). The consumer may take at any time; a take that comes
// before the word finds the elements early and the word then finds nothing.
//
// Memory order: what a producer wrote before Push is seen by the consumer after TakeAll. An element
// belongs to the consumer from Push on. `Atomic` is a parameter for the interleaving test.
#pragma once

#include <atomic>

namespace k42 {

template <typename T, T* T::*next, template <typename> typename Atomic = std::atomic>
class MpscStack {
 public:
  // True if the queue was empty.
  bool Push(T* element) {
    T* head = head_.load(std::memory_order_relaxed);
    do {
      element->*next = head;
    } while (!head_.compare_exchange_strong(head, element, std::memory_order_release,
                                            std::memory_order_relaxed));
    return head == nullptr;
  }

  // Oldest first, linked by `next`; null if empty. Consumer only.
  T* TakeAll() {
    T* newest_first = head_.exchange(nullptr, std::memory_order_acquire);
    T* oldest_first = nullptr;
    while (newest_first != nullptr) {
      T* element = newest_first;
      newest_first = element->*next;
      element->*next = oldest_first;
      oldest_first = element;
    }
    return oldest_first;
  }

  bool empty() const { return head_.load(std::memory_order_relaxed) == nullptr; }

 private:
  Atomic<T*> head_{nullptr};
};

}  // namespace k42
