// TraceBuffers: the trace buffers of programs, each a dispatcher's own, in the table where the host
// finds them (abi/trace_area.h). The kernel gives them out, and never reads or trusts what is in
// one.
//
// States of an entry: free (turn even) -> in use (odd) -> ended (odd, marked so): its process is
// over, and what it recorded can still be read -> in use again, by the next who finds no free one;
// the longest ended goes first. Readers look at `turn` before and after.
//
// Locking: lock_ guards the table. Making and unmaking memory is done outside it.
#pragma once

#include <cstdint>

#include "abi/trace_area.h"
#include "base/intrusive_queue.h"
#include "base/result.h"
#include "machine/spin_lock.h"
#include "mem/fcm_pinned.h"

namespace k42::proc {

class TraceBuffers {
 public:
  class Entry : public QueueLink<> {
   public:
    mem::FcmPinned* pages() const { return pages_; }

   private:
    friend class TraceBuffers;
    mem::FcmPinned* pages_ = nullptr;  // our reference
  };

  explicit TraceBuffers(mem::MemoryServices& memory);
  ~TraceBuffers();
  TraceBuffers(const TraceBuffers&) = delete;
  TraceBuffers& operator=(const TraceBuffers&) = delete;

  // A zeroed buffer for a dispatcher of `process`. kNoMemory; kLimitExceeded: all entries are in
  // use.
  Result<Entry*> Take(std::uint32_t process);
  // Its process is over, or did not get to use it.
  void End(Entry* entry);

 private:
  mem::MemoryServices& memory_;
  machine::SpinLock<LockRank::kTraceBuffers> lock_;
  Entry entries_[trace::kMaxUserTraces] K42_GUARDED_BY(lock_);
  IntrusiveQueue<Entry> unused_ K42_GUARDED_BY(lock_);  // free ones, then the longest ended
};

}  // namespace k42::proc
