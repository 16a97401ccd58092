// A second thread, of the same CPU for tests of what happens in the middle of something.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>

#include "machine/thread.h"

namespace k42::mem {

// Runs `work` in a thread of `cpu`; of 0, it runs when this one yields. `over` when it is done.
struct Beside {
  explicit Beside(std::function<void()> what, std::uint32_t cpu = 0) : work(std::move(what)) {
    EXPECT_TRUE(machine::Thread::Create(
                    "beside",
                    [](void* argument) {
                      auto& self = *static_cast<Beside*>(argument);
                      self.work();
                      self.over = true;
                      machine::Thread::Exit();
                    },
                    this, cpu)
                    .ok());
  }
  ~Beside() { Wait(); }
  void Wait() const {
    while (!over) {
      machine::Thread::Yield();
    }
  }
  const std::function<void()> work;
  std::atomic<bool> over{false};
};

inline void LetOthersRun() {
  for (int i = 0; i < 20; ++i) {
    machine::Thread::Yield();
  }
}

}  // namespace k42::mem
