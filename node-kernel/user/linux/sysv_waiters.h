// Who waits for a change of a System V object: a part of its record (sysv_record.h), which any
// process with permission may have written. So nothing in it is believed.
#pragma once

#include "user/linux/calls.h"

namespace k42::personality::calls::sysv {

// `on`, `how`: the waiter's own, for counts.
struct Waiter {
  I32 thread;
  std::uint16_t on, how;
};

struct Waiters {
  static constexpr U32 kMost = 32;
  U32 count;
  U32 pad;
  Waiter list[kMost];

  bool IsValid() const { return count <= kMost; }
  // False: no room. Who waits unlisted has to look again by himself.
  bool Enter(const Waiter& waiter) {
    Leave(waiter.thread);
    if (count >= kMost) {
      return false;
    }
    list[count++] = waiter;
    return true;
  }
  void Leave(I32 thread) {
    U32 kept = 0;
    for (U32 i = 0; i < count && i < kMost; ++i) {
      if (list[i].thread != thread) {
        list[kept++] = list[i];
      }
    }
    count = kept;
  }
  I64 Count(U32 on, U32 how) const {
    I64 found = 0;
    for (U32 i = 0; i < count && i < kMost; ++i) {
      found += list[i].on == on && list[i].how == how;
    }
    return found;
  }
};

}  // namespace k42::personality::calls::sysv
