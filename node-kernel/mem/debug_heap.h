// DebugHeap: what debug builds put around the heap. It knows every block: who allocated it, and for
// a while who freed it. So it finds, and explains by call chains,
//
//   leaks                  LogLeaks: blocks allocated after a mark and not freed, by call chain
//   writes after a free    freed blocks are filled and rest in the CPU's quarantine; the fill is
//                          looked at before the block goes back to the heap. Reads find the fill:
//                          no pointer, as an address it is not canonical
//   free of what is none   twice, of another heap, or in another size than was allocated
//   foreign frees          of strictly local blocks on another CPU
//
// States of a block's record: live -> resting (in a quarantine) -> gone. Blocks of whole frames do
// not rest: FrameAllocator fills frames. Records lie in frames of their own (FramePurpose
// kProgress: they take part in no shortage), which go back when all records in them are free: what
// many blocks once took is not missing for ever.
//
// Locking: lock_ guards the records. A CPU's quarantine is that CPU's. Thread context.
#pragma once

#include <atomic>
#include <span>

#include "base/allocator.h"
#include "machine/spin_lock.h"
#include "mem/frame_allocator.h"

namespace k42::mem {

class DebugHeap final : public Allocator {
 public:
  static constexpr std::size_t kDepth = 10;  // of call chains
  static constexpr unsigned char kFreeFill = 0xdb;
  static constexpr unsigned char kFreshFill = 0xa7;

  constexpr DebugHeap(Allocator& heap, FrameAllocator& frames) : heap_(heap), frames_(frames) {}

  void* Allocate(std::size_t size, std::size_t align) override;
  void* AllocateLocal(std::size_t size, std::size_t align) override;
  void Free(void* block, std::size_t size) override;

  // This CPU's resting blocks go back to the heap.
  void EmptyQuarantine();

  // Passed to LogLeaks and LiveSince later: what is allocated from now on.
  std::uint64_t Mark() const { return births_.load(std::memory_order_relaxed); }
  struct Count {
    std::uint64_t blocks = 0;
    std::uint64_t bytes = 0;
  };
  Count LiveSince(std::uint64_t mark) K42_EXCLUDES(lock_);
  // Logs those blocks, one call chain with all its blocks after the other, the most blocks first,
  // at most `chains`. One caller at a time.
  Count LogLeaks(std::uint64_t mark, std::size_t chains = 16) K42_EXCLUDES(lock_);
  // Frames that hold records. Any context, no lock.
  std::uint64_t record_frames() const { return record_frames_.load(std::memory_order_relaxed); }
  // Logs what is known of the block that contains or contained `address`. False: nothing.
  bool Explain(const void* address) K42_EXCLUDES(lock_);

 private:
  static constexpr std::size_t kBuckets = 4096;
  static constexpr std::uint32_t kResting = 128;  // blocks in a CPU's quarantine
  static constexpr std::size_t kMostSites = 64;

  struct Record {
    Record* next;  // in the bucket, or free
    unsigned char* block;
    std::uint64_t size;
    std::uint64_t birth;
    machine::CpuId home;
    bool local;
    bool resting;
    std::uint64_t allocated_by[kDepth];  // ends with 0 if shorter
    std::uint64_t freed_by[kDepth];
  };
  struct Quarantine {
    Record* records[kResting] = {};
    std::uint32_t next = 0;
  };
  struct Site {
    std::uint64_t chain[kDepth];
    Count count;
  };

  static std::size_t BucketOf(const void* block);
  Record* FindLocked(const void* block) K42_REQUIRES(lock_);
  void* Enter(void* block, std::size_t size, bool local, const void* caller);
  Record* NewRecordLocked() K42_REQUIRES(lock_);
  void FreeRecordLocked(Record* record) K42_REQUIRES(lock_);
  void CountRecordFrames(int by) K42_REQUIRES(lock_);
  void Leave(Record* record) K42_EXCLUDES(lock_);
  [[noreturn]] static void Die(const Record& record, const char* what);
  static void LogChain(const std::uint64_t* chain, const char* title);

  Allocator& heap_;
  FrameAllocator& frames_;
  std::atomic<std::uint64_t> births_{0};
  std::atomic<std::uint64_t> record_frames_{0};  // under lock_
  machine::SpinLock<LockRank::kHeapRecords> lock_;
  Record* buckets_[kBuckets] K42_GUARDED_BY(lock_) = {};
  IntrusiveList<Frame> with_room_ K42_GUARDED_BY(lock_);  // frames with free records: slab.free
  Quarantine quarantines_[machine::kMaxCpus];
  Site sites_[kMostSites] = {};  // LogLeaks's
};

}  // namespace k42::mem
