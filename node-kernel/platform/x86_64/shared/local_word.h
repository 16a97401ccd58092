// LocalAtomic<T>: a word that only one CPU (or one dispatcher) changes, safe against whatever
// interrupts it there.
//
// Changes are single instructions without the lock prefix: an interrupt comes before or after one,
// never within, and nobody else writes. Others may read at any time; x86's stores become visible in
// order. `fetch_add` returns nothing: nobody needs it, and `add` is cheaper than `xadd`.
#pragma once

#include <atomic>
#include <cstdint>

namespace k42::machine {

template <typename T>
class LocalAtomic {
  static_assert(sizeof(T) == 8);

 public:
  constexpr LocalAtomic() = default;
  constexpr LocalAtomic(T value) : value_(value) {}  // NOLINT: like std::atomic

  T load(std::memory_order = std::memory_order_relaxed) const {
    return __atomic_load_n(&value_, __ATOMIC_ACQUIRE);
  }
  void store(T value, std::memory_order = std::memory_order_relaxed) {
    __atomic_store_n(&value_, value, __ATOMIC_RELEASE);
  }
  bool compare_exchange_strong(T& expected, T desired,
                               std::memory_order = std::memory_order_relaxed) {
    bool done;
    asm volatile("cmpxchgq %[desired], %[value]"
                 : "=@ccz"(done), [value] "+m"(value_), "+a"(expected)
                 : [desired] "r"(desired)
                 : "memory");
    return done;
  }
  void fetch_add(T by, std::memory_order = std::memory_order_relaxed) {
    asm volatile("addq %[by], %[value]" : [value] "+m"(value_) : [by] "er"(by) : "memory", "cc");
  }

 private:
  T value_{};
};

}  // namespace k42::machine
