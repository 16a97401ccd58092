// SocketName: where a local socket can be found: behind a name in a file system, or in the table of
// names outside any directory. It outlives the socket: then nobody is there.
//
// Locking: lock_ guards the target, which is dropped after it.
#pragma once

#include "base/ref_counted.h"
#include "base/result.h"
#include "machine/spin_lock.h"

namespace k42::io {

// What a name leads to; socket.h.
class SocketTarget : public RefCounted {
 protected:
  ~SocketTarget() = default;
};

class SocketName final : public RefCounted {
 public:
  static Result<SocketName*> Make();
  ~SocketName() = default;

  RefPtr<SocketTarget> Get() {
    machine::SpinGuard guard(lock_);
    return target_;
  }
  void Set(RefPtr<SocketTarget> target) {
    machine::SpinGuard guard(lock_);
    std::swap(target_, target);  // the old one goes with the argument, after the guard
  }

 private:
  void Dispose() override;

  machine::SpinLock<LockRank::kWaitQueue> lock_;
  RefPtr<SocketTarget> target_ K42_GUARDED_BY(lock_);
};

}  // namespace k42::io
