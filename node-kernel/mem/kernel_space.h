// KernelSpace: mem's own part of the kernel's half, for what must be contiguous to the kernel but
// is larger than a run of frames, grows, needs guard pages or permissions of its own (modules).
//
// A KernelRange is reserved whole, backed from its front as far as it has grown, and surrounded by
// one unmapped page on each side: running over an end faults. Its pages are frames of their own.
// W^X: a page is writable or executable, never both.
//
// The tables are the kernel's, shared by all address spaces; their upper levels exist since boot,
// so a change is visible everywhere at once. Taking a mapping away tells every CPU.
//
// Locking: lock_ guards the tree of ranges and the tables of [base, end). A range is changed by its
// owner only.
#pragma once

#include "base/intrusive_tree.h"
#include "machine/kernel_layout.h"
#include "machine/page_table.h"
#include "machine/spin_lock.h"
#include "mem/frame_allocator.h"

namespace k42::mem {

enum class KernelAccess : std::uint8_t { kReadWrite, kReadOnly, kReadExecute };

struct KernelRange : TreeLink<KernelRange> {
  std::uint64_t TreeKey() const { return start; }
  void* data() const { return reinterpret_cast<void*>(start); }
  std::uint64_t start = 0;
  std::uint64_t reserved = 0;  // bytes
  std::uint64_t backed = 0;    // bytes from the front
};

class KernelSpace {
 public:
  explicit constexpr KernelSpace(FrameAllocator& frames,
                                 std::uint64_t base = machine::kKernelSpaceBase,
                                 std::uint64_t end = machine::kKernelSpaceEnd)
      : frames_(frames), base_(base), end_(end) {}

  // Thread context. Sizes are rounded up to pages.
  Result<KernelRange*> Reserve(std::uint64_t size);
  // Backs the next `bytes` with zeroed pages, readable and writable. On kNoMemory what was backed
  // before stays.
  Status Grow(KernelRange* range, std::uint64_t bytes);
  // Of all that is backed, or of [offset, offset + size) of it (whole pages). Waits for the other
  // CPUs.
  void Protect(KernelRange* range, KernelAccess access) {
    Protect(range, 0, range->backed, access);
  }
  void Protect(KernelRange* range, std::uint64_t offset, std::uint64_t size, KernelAccess access);
  // Unmaps, waits for the other CPUs, gives the frames back. `range` is gone.
  void Release(KernelRange* range);

 private:
  using Entry = machine::PageTableEntry;
  // The leaf entry of an address, with tables made on the way; null: no memory.
  Entry* EntryOfLocked(std::uint64_t address) K42_REQUIRES(lock_);
  std::uint64_t FindPlaceLocked(std::uint64_t size) const K42_REQUIRES(lock_);
  static void InvalidateEverywhere(const KernelRange& range);

  FrameAllocator& frames_;
  const std::uint64_t base_;
  const std::uint64_t end_;
  machine::SpinLock<LockRank::kKernelSpace> lock_;
  IntrusiveTree<KernelRange> ranges_ K42_GUARDED_BY(lock_);
};

}  // namespace k42::mem
