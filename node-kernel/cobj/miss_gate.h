// MissGate: who may still be inside an object's root.
//
// A miss passes through the gate to reach the root: it counts itself in, then reads the root.
// Destroying the object closes the gate, then reads the count. Each side writes its word before it
// reads the other's, so at least one of them sees the other: either the miss finds the gate closed,
// or the closer finds the count above zero. (Both are locked instructions on x86: no store buffer
// between.)
//
// States: closed (no root) -> open -> closed; while open the root may be replaced (hot swap).
// A closer that sees a count of zero knows that nobody is inside, now or ever. With a count above
// zero it has to wait a grace period: those inside are active threads.
#pragma once

#include <atomic>
#include <cstdint>

namespace k42::cobj {

template <typename Pointer, template <typename> typename Atomic = std::atomic>
class BasicMissGate {
 public:
  constexpr BasicMissGate() = default;
  explicit constexpr BasicMissGate(Pointer root) : root_(root) {}

  // Null: closed; nothing to leave.
  Pointer Enter() {
    inside_.fetch_add(1, std::memory_order_seq_cst);
    const Pointer root = root_.load(std::memory_order_seq_cst);
    if (root == kClosed)
      Leave();
    return root;
  }
  void Leave() { inside_.fetch_sub(1, std::memory_order_release); }

  void Open(Pointer root) { root_.store(root, std::memory_order_release); }

  struct Closed {
    Pointer root;  // null: the gate did not lead to `expected`, and nothing has changed
    bool nobody;   // surely nobody inside
  };
  Closed Close(Pointer expected) {
    if (!root_.compare_exchange_strong(expected, kClosed, std::memory_order_seq_cst))
      return {kClosed, false};
    return {expected, inside_.load(std::memory_order_seq_cst) == 0};
  }

  // Later misses go to `next`; false if the gate no longer leads to `from`.
  bool Replace(Pointer from, Pointer next) {
    return root_.compare_exchange_strong(from, next, std::memory_order_seq_cst);
  }
  Pointer Peek() const { return root_.load(std::memory_order_acquire); }

 private:
  static constexpr Pointer kClosed{};
  Atomic<Pointer> root_{kClosed};
  Atomic<std::uint32_t> inside_{0};
};

class Root;
using MissGate = BasicMissGate<Root*>;

}  // namespace k42::cobj
