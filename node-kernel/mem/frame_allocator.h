// FrameAllocator: physical memory for everybody. Per-CPU caches of single frames over one FramePool
// per NUMA node.
//
// Why the caches need no lock: kernel threads are cooperative and interrupt handlers allocate
// nothing, so a CPU's cache is touched by one thread at a time.
//
// Reserves: a purpose may not take the last frames of all pools together. User pages stop first,
// then the kernel's ordinary needs, so that the way to free memory (write-back, shoot-downs,
// answers to the companion) always finds frames.
//
// Promises: frames that somebody will ask for later and must get then, whatever the others have
// taken meanwhile. They are not chosen, only counted, and on top of each reserve.
//
// An object without static state: boot owns the real one over the machine's memory map, tests make
// their own over heap memory.
#pragma once

#include <span>

#include "machine/cpu.h"
#include "machine/phys.h"
#include "mem/failure_injector.h"
#include "mem/frame_pool.h"
#include "mem/frame_promises.h"
#include "mem/frame_reuse.h"

namespace k42::mem {

struct MemoryRange {
  PhysAddr begin;
  PhysAddr end;
  std::uint8_t node = 0;
};

enum class FramePurpose : std::uint8_t {
  kUser,      // pages of user memory and of file caches
  kKernel,    // heap, page tables
  kProgress,  // what is needed to free memory
  kPromised,  // what was promised to the caller, who says so when it was all he needed
};

class FrameAllocator {
 public:
  static constexpr std::uint32_t kMaxNodes = 8;

  constexpr FrameAllocator() = default;
  FrameAllocator(const FrameAllocator&) = delete;
  FrameAllocator& operator=(const FrameAllocator&) = delete;

  // `free` is sorted and page aligned; descriptors are placed into the largest range. `cpus` CPUs
  // will call. Once, before all else.
  Status Initialise(std::span<const MemoryRange> free, std::uint32_t cpus);

  // Debug kernels: frames are handed out in random order (frame_reuse.h). 0: no more.
  void SetReuse(std::uint64_t seed);

  // Which node's frames `cpu` takes first and keeps in its cache. Before it allocates much: until
  // then it is the first range's.
  void SetCpuNode(machine::CpuId cpu, std::uint8_t node) { caches_[cpu].node = node; }

  // A frame with one reference, contents undefined.
  Result<Frame*> Allocate(FramePurpose purpose);
  Result<Frame*> AllocateZeroed(FramePurpose purpose);
  // Who has the only reference of a frame and can make it all zero in few steps (a page table,
  // whose used entries are known) gives it back so, if it is wanted, and spares the next who asks
  // for a zeroed one a whole page.
  bool WantsCleared() const {
    return caches_[machine::CurrentCpu()].cleared_count.load(kRelaxed) != kClearedSize;
  }
  void GiveCleared(Frame* frame);
  // `pages` adjacent frames (at most 512, then aligned to 2 MiB), one reference each: the first.
  Result<Frame*> AllocateRun(std::uint32_t pages, FramePurpose purpose);
  void FreeRun(Frame* first, std::uint32_t pages);

  // From now on `frames` of them are there for who asks for kPromised. kNoMemory: user pages find
  // none any more, or would not then. kLimitExceeded: too many are promised already, which lie idle
  // meanwhile.
  Status Promise(std::uint64_t frames);
  // The same, less: taken or not, they are not needed (any more).
  void EndPromise(std::uint64_t frames) { promises_.End(frames); }

  static void AddReference(Frame* frame) {
    frame->references.fetch_add(1, std::memory_order_relaxed);
  }
  // The last one gives the frame back.
  void DropReference(Frame* frame) {
    if (frame->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      Free(frame);
    }
  }
  // The same, of a frame that was in page tables: see frame_reuse.h.
  void DropUnmapped(Frame* frame) {
    if (frame->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      if constexpr (kDebugChecks) {
        frame->unmapped = true;
      }
      Free(frame);
    }
  }
  static bool IsShared(const Frame* frame) {
    return frame->references.load(std::memory_order_acquire) > 1;
  }

  // Precondition: the address is in a range given to Initialise.
  Frame* FrameOf(PhysAddr address) const { return table_.FrameOf(address); }
  template <typename T = void>
  static T* Data(const Frame* frame) {
    return machine::PhysToVirt<T>(frame->address);
  }

  FailureInjector& failures() { return failures_; }

  // -- statistics: any context, no lock
  std::uint64_t total_frames() const { return total_frames_; }
  // Frames that nobody uses, those in the CPUs' caches included (approximate).
  std::uint64_t free_frames() const;
  std::uint64_t large_chunks() const;
  std::uint64_t cached_frames(machine::CpuId cpu) const {
    return caches_[cpu].count.load(kRelaxed) + caches_[cpu].cleared_count.load(kRelaxed);
  }
  std::uint8_t node_of(machine::CpuId cpu) const { return caches_[cpu].node; }
  const FramePool& pool(std::uint32_t node) const { return pools_[node]; }  // its accessors
  std::uint64_t descriptor_bytes() const { return descriptor_bytes_; }
  // Below this user pages are refused until the page manager has found some.
  std::uint64_t user_reserve() const { return user_reserve_; }
  std::uint64_t promised_frames() const { return promises_.count(); }
  std::uint64_t frames_without_caches() const;

 private:
  static constexpr auto kRelaxed = std::memory_order_relaxed;
  static constexpr std::uint32_t kCacheSize = 32;
  static constexpr std::uint32_t kBatch = 16;
  static constexpr std::uint32_t kClearedSize = 16;      // about the tables of one small process
  static constexpr std::uint64_t kPromisedReserves = 2;  // at most so many times the user reserve

  // Of a size that is a power of two: finding one is a shift.
  struct alignas(512) CpuCache {
    // Only this CPU writes it; others read it for statistics.
    std::atomic<std::uint32_t> count{0};
    std::atomic<std::uint32_t> cleared_count{0};
    std::uint8_t node = 0;
    Frame* frames[kCacheSize] = {};
    Frame* cleared[kClearedSize] = {};  // all zero, taken when `frames` is empty, too
    FrameReuse reuse;
  };

  std::uint64_t ReserveOf(FramePurpose purpose) const;
  Status Refill(CpuCache& cache, FramePurpose purpose);
  bool IsPromised(FramePurpose purpose) const;
  static Frame* TakeCleared(CpuCache& cache);
  static Frame* MarkUsed(Frame* frame);
  void Free(Frame* frame);
  static void Fill(Frame* frame);
  static void CheckFill(Frame* frame);
  void Drain(CpuCache& cache);
  void AddRange(const MemoryRange& range);
  bool AddUntouched(const MemoryRange& whole, std::byte* descriptors);

  ChunkTable table_;  // an entry is read only for frames that were handed out: it is there then
  std::uint64_t total_frames_ = 0;
  std::uint64_t descriptor_bytes_ = 0;
  std::uint64_t user_reserve_ = 0;
  std::uint64_t kernel_reserve_ = 0;
  FramePromises promises_;
  FailureInjector failures_;
  FramePool pools_[kMaxNodes];
  CpuCache caches_[machine::kMaxCpus];
};

}  // namespace k42::mem
