// A thread of the interleaving model that blocks and is woken as the kernel's do: by a WakeToken.
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

}  // namespace k42
