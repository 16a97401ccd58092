// FailureInjector: makes the n-th allocation of one thread, or of all, fail (debug builds), so that
// tests can walk through every place where memory may run out. Purposes kProgress and kPromised are
// spared: what they serve is sure to find memory. Pages for the platform (stacks, the kernel's own
// tables) are of kProgress, yet their takers can do without: those fail too, where boot/ hands them
// out.
//
// One test arms it at a time. Others may allocate meanwhile: only the arming thread's are counted,
// unless it says that threads it does not know do its work (a hot swap's steps on all CPUs).
#pragma once

#include <atomic>
#include <cstdint>

#include "base/assert.h"
#include "machine/thread.h"

namespace k42::mem {

class FailureInjector {
 public:
  enum class Whose : std::uint8_t { kCallers, kEverybodys };

  // Allocation number `nth` from now on (0: the next) fails, once.
  void Arm(std::uint64_t nth, Whose whose = Whose::kCallers) {
    countdown_.store(nth, std::memory_order_relaxed);
    failed_.store(0, std::memory_order_relaxed);
    whose_ = whose;
    target_.store(machine::Thread::Current(), std::memory_order_release);
  }
  // How many allocations failed since Arm. By the thread that armed.
  std::uint64_t Disarm() {
    target_.store(nullptr, std::memory_order_relaxed);
    return failed_.load(std::memory_order_relaxed);
  }

  // Asked by allocators, of each allocation.
  bool ShouldFail() {
    if constexpr (kDebugChecks) {
      const machine::Thread* target = target_.load(std::memory_order_acquire);
      if (target == nullptr) [[likely]] {
        return false;
      }
      return (whose_ == Whose::kEverybodys || target == machine::Thread::Current()) && CountDown();
    }
    return false;
  }

 private:
  bool CountDown() {
    if (countdown_.fetch_sub(1, std::memory_order_relaxed) != 0) {
      return false;
    }
    failed_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }

  std::atomic<machine::Thread*> target_{nullptr};
  std::atomic<Whose> whose_{Whose::kCallers};
  std::atomic<std::uint64_t> countdown_{0};
  std::atomic<std::uint64_t> failed_{0};
};

}  // namespace k42::mem
