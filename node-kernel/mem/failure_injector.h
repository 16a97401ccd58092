// FailureInjector: makes the n-th allocation of one thread fail (debug builds), so that tests can
// walk through every place where memory may run out. Purposes kProgress and kPromised are spared:
// what they serve is sure to find memory. Pages for the platform (stacks, the kernel's own tables)
// are of kProgress, yet their takers can do without: those fail too, where boot/ hands them out.
//
// One test arms it at a time. Others may allocate meanwhile: only the arming thread's are counted.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/assert.h"
#include "machine/thread.h"

namespace k42::mem {

class FailureInjector {
 public:
  // The calling thread's allocation number `nth` from now on (0: the next) fails, once.
  void Arm(std::uint64_t nth) {
    countdown_ = nth;
    failed_ = 0;
    target_.store(machine::Thread::Current(), std::memory_order_release);
  }
  // How many allocations failed since Arm. By the thread that armed.
  std::uint64_t Disarm() {
    target_.store(nullptr, std::memory_order_relaxed);
    return failed_;
  }

  // Asked by allocators, of each allocation.
  bool ShouldFail() {
    if constexpr (kDebugChecks) {
      if (target_.load(std::memory_order_acquire) == nullptr) [[likely]] {
        return false;
      }
      return target_.load(std::memory_order_relaxed) == machine::Thread::Current() && CountDown();
    }
    return false;
  }

 private:
  bool CountDown() {
    if (countdown_ != 0) {
      --countdown_;
      return false;
    }
    if (failed_ != 0) {
      return false;
    }
    ++failed_;
    return true;
  }

  std::atomic<machine::Thread*> target_{nullptr};
  // The target thread's alone.
  std::uint64_t countdown_ = 0;
  std::uint64_t failed_ = 0;
};

}  // namespace k42::mem
