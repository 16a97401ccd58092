// Of the interleaving model: a thread that blocks and is woken as the kernel's do, by a WakeToken;
// a spin lock.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/wake_token.h"
#include "model/interleave.h"

namespace k42 {

template <template <typename> typename Atomic = model::Atomic>
class ModelThread {
 public:
  // Its own body calls it.
  void Block() {
    if (!token_.Block())
      return;
    ++blocked;
    ready_.Wait();
  }
  void Unblock() {
    if (!token_.Give())
      return;
    ++made_ready;
    ready_.Ring();
  }

  int blocked = 0;
  int made_ready = 0;

 private:
  BasicWakeToken<Atomic> token_;
  model::Doorbell ready_;
};

// A spin lock of the model: it waits where a real one spins.
class ModelSpin {
 public:
  void Lock() {
    for (std::uint32_t free = 0; !word_.compare_exchange_strong(free, 1); free = 0)
      model::Wait([this] { return word_.Peek() == 0; });
  }
  void Unlock() { word_.store(0, std::memory_order_release); }

 private:
  model::Atomic<std::uint32_t> word_{0};
};

}  // namespace k42
