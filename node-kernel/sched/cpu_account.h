// CpuAccount: how much CPU time somebody has used, to the moment: what was charged, and how long it
// has been running since.
//
// Written by one CPU at a time, whose scheduler says when it runs; read by anyone: a reader that
// comes in between looks again.
#pragma once

#include <atomic>
#include <cstdint>

namespace k42::sched {

class CpuAccount {
 public:
  // -- the CPU it runs on --
  void Run(std::uint64_t now_ns) {
    Write([&] { since_.store(now_ns, std::memory_order_relaxed); });
  }
  void Stop() {
    Write([&] { since_.store(0, std::memory_order_relaxed); });
  }
  // Of the time it has been running, `ns` up to `now_ns`.
  void Charge(std::uint64_t ns, std::uint64_t now_ns) {
    Write([&] {
      charged_.store(charged_.load(std::memory_order_relaxed) + ns, std::memory_order_relaxed);
      since_.store(now_ns, std::memory_order_relaxed);
    });
  }
  // What others have used for it.
  void Add(std::uint64_t ns) {
    Write([&] {
      charged_.store(charged_.load(std::memory_order_relaxed) + ns, std::memory_order_relaxed);
    });
  }
  // Precondition: it does not run.
  void Clear() { charged_.store(0, std::memory_order_relaxed); }

  // -- any CPU --
  std::uint64_t charged_ns() const { return charged_.load(std::memory_order_relaxed); }
  // Whoever is kept from reading by a writer that has been stopped in the middle has what was
  // charged.
  std::uint64_t Ns(std::uint64_t now_ns) const {
    for (int tries = 0; tries < 100; ++tries) {
      const std::uint32_t version = version_.load(std::memory_order_acquire);
      const std::uint64_t charged = charged_.load(std::memory_order_acquire);
      const std::uint64_t since = since_.load(std::memory_order_acquire);
      if ((version & 1) == 0 && version_.load(std::memory_order_acquire) == version)
        return charged + (since != 0 && now_ns > since ? now_ns - since : 0);
    }
    return charged_ns();
  }

 private:
  template <typename F>
  void Write(F change) {
    const std::uint32_t version = version_.load(std::memory_order_relaxed);
    version_.store(version + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    change();
    version_.store(version + 2, std::memory_order_release);
  }

  std::atomic<std::uint32_t> version_{0};
  std::atomic<std::uint64_t> charged_{0};
  std::atomic<std::uint64_t> since_{0};  // 0: it does not run
};

}  // namespace k42::sched
