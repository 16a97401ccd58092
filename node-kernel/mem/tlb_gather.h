// TlbGather: what a change of page tables still owes. Filled in while locks are held, finished
// after they are dropped.
//
//   { SpinGuard guard(lock_); hat.Unmap(start, end, gather); }
//   gather.Finish();        // now no CPU has a translation left, and the frames are given back
//
// Finish invalidates on this CPU, sends one message to each other CPU that had a changed table
// loaded, and blocks (never spins) until all have answered by message. A CPU is asked only if it
// was in the table's active set after the change; one that loads the table later sees the change
// anyway. More ranges than kRanges, or large ones, become "everything of the user half": with one
// table loaded per CPU and no tags, that is what a CPU has anyway.
//
// A page that takes the place of another is shown when every CPU has forgotten the other: its table
// holds it back (Hat::Map), and whoever asked for it asks again after Finish, in the same request
// of the region, so that no change of the map comes in between.
//
// Until then others can see that entries are gone which some CPU may still have
// (unfinished_changes.h).
#pragma once

#include <cstdint>

#include "base/cpu_set.h"
#include "mem/frame_allocator.h"
#include "mem/unfinished_changes.h"

namespace k42::mem {

class TlbGather {
 public:
  static constexpr std::uint32_t kRanges = 8;
  static constexpr std::uint32_t kFrames = 8;
  static constexpr std::uint64_t kMaxPagesOneByOne = 32;

  explicit TlbGather(FrameAllocator& frames) : frames_(frames) {}
  ~TlbGather();  // everything is finished by then
  TlbGather(const TlbGather&) = delete;
  TlbGather& operator=(const TlbGather&) = delete;

  // The translations of [start, end) have changed; `cpus` may have old ones.
  void AddRange(CpuSet cpus, std::uint64_t start, std::uint64_t end);
  // Of the table in that bucket, whose lock is held.
  void CountIn(UnfinishedChanges& changes, unsigned bucket);
  bool IsCountedIn(unsigned bucket) const { return (buckets_ >> bucket & 1) != 0; }
  // One reference of `frame` is dropped when nobody can reach it through an old translation. At
  // most kFrames between two Finish calls.
  void DropLater(Frame* frame);
  // The same, any number of them, for frames that are in no list: a page-table page that was taken
  // out of its table, a page that was taken out of its file.
  void DropListedLater(Frame* frame) { listed_.PushBack(frame); }

  // The page of `address` is to be shown after Finish.
  void HoldBack(std::uint64_t address) { held_back_ = address; }
  bool HoldsBack() const { return held_back_ != kNowhere; }
  // It was held back, and every CPU has been told since.
  bool WasHeldBack(std::uint64_t address) const { return told_ == address; }

  bool empty() const { return cpus_.empty() && frame_count_ == 0 && listed_.empty(); }

  // Thread context, no spin lock held. The gather can be filled again afterwards.
  void Finish();

  // What a CPU does when asked. Any thread context of that CPU.
  void InvalidateHere() const;

 private:
  static constexpr std::uint64_t kNowhere = ~std::uint64_t{0};
  struct Range {
    std::uint64_t start, end;
  };
  FrameAllocator& frames_;
  CpuSet cpus_;
  bool everything_ = false;
  std::uint32_t range_count_ = 0;
  std::uint32_t frame_count_ = 0;
  Range ranges_[kRanges];
  Frame* to_drop_[kFrames];
  IntrusiveList<Frame> listed_;
  UnfinishedChanges* unfinished_ = nullptr;  // where it is counted, in buckets_
  UnfinishedChanges::Buckets buckets_ = 0;
  std::uint64_t held_back_ = kNowhere;
  std::uint64_t told_ = kNowhere;
};

}  // namespace k42::mem
