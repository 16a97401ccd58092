// CpuAccount: how much CPU time somebody has used, to the moment: what was charged, and how long it
// has been running since.
//
// Written by one CPU at a time, whose scheduler says when it runs; read by anyone, at any moment of
// the writer's, without waiting: all that a reader needs is one word, either what was charged or,
// while it runs, the moment at which it would have had to begin to have used as much by now.
#pragma once

#include <atomic>
#include <cstdint>

namespace k42::sched {

class CpuAccount {
 public:
  // -- the CPU it runs on --
  void Run(std::uint64_t now_ns) { state_.store(Running(now_ns), std::memory_order_release); }
  void Stop() { state_.store(charged_ns() << 1, std::memory_order_release); }
  // Of the time it has been running, `ns` up to `now_ns`.
  void Charge(std::uint64_t ns, std::uint64_t now_ns) {
    charged_.store(charged_ns() + ns, std::memory_order_relaxed);
    Run(now_ns);
  }
  // What others have used for it.
  void Add(std::uint64_t ns) {
    charged_.store(charged_ns() + ns, std::memory_order_relaxed);
    const std::uint64_t state = state_.load(std::memory_order_relaxed);
    state_.store((state & 1) != 0 ? state - (ns << 1) : state + (ns << 1),
                 std::memory_order_release);
  }
  // Precondition: it does not run.
  void Clear() {
    charged_.store(0, std::memory_order_relaxed);
    Stop();
  }

  // -- any CPU --
  // For who reads it by abi::UsedNs.
  std::uint64_t word() const { return state_.load(std::memory_order_relaxed); }
  std::uint64_t charged_ns() const { return charged_.load(std::memory_order_relaxed); }
  std::uint64_t Ns(std::uint64_t now_ns) const {
    const std::uint64_t state = state_.load(std::memory_order_acquire);
    if ((state & 1) == 0)
      return state >> 1;
    // A reader whose clock was read before it began to run has what was charged.
    const auto used = static_cast<std::int64_t>((now_ns << 1) - (state & ~std::uint64_t{1})) >> 1;
    const auto charged = static_cast<std::int64_t>(charged_ns());
    return static_cast<std::uint64_t>(used > charged ? used : charged);
  }

 private:
  std::uint64_t Running(std::uint64_t now_ns) const { return ((now_ns - charged_ns()) << 1) | 1; }

  std::atomic<std::uint64_t> charged_{0};
  // Stopped: what was charged, times two. Running: (since when, less what was charged), modulo
  // 2^63, times two, plus one.
  std::atomic<std::uint64_t> state_{0};
};

}  // namespace k42::sched
