#include "mem/tlb_gather.h"

#include "base/assert.h"
#include "machine/page_table.h"
#include "machine/spin_lock.h"
#include "mem/shoot_down.h"

namespace k42::mem {

TlbGather::~TlbGather() {
  K42_ASSERT(empty(), "a change of page tables was not finished");
}

void TlbGather::AddRange(CpuSet cpus, std::uint64_t start, std::uint64_t end) {
  if (cpus.empty()) {
    return;
  }
  cpus_ = cpus_ | cpus;
  if (range_count_ != 0 && ranges_[range_count_ - 1].end == start) {
    ranges_[range_count_ - 1].end = end;
  } else if (range_count_ == kRanges) {
    everything_ = true;
  } else {
    ranges_[range_count_++] = {start, end};
  }
}

void TlbGather::CountIn(UnfinishedChanges& changes, unsigned bucket) {
  if (!IsCountedIn(bucket)) {
    unfinished_ = &changes;
    buckets_ = static_cast<UnfinishedChanges::Buckets>(buckets_ | 1u << bucket);
    changes.Begin(bucket);
  }
}

void TlbGather::DropLater(Frame* frame) {
  K42_ASSERT(frame_count_ < kFrames, "more frames than one gather can hold");
  to_drop_[frame_count_++] = frame;
}

void TlbGather::InvalidateHere() const {
  std::uint64_t pages = 0;
  for (std::uint32_t i = 0; i < range_count_; ++i) {
    pages += (ranges_[i].end - ranges_[i].start) / kPageSize;
  }
  if (everything_ || pages > kMaxPagesOneByOne) {
    machine::InvalidateAllUser();
    return;
  }
  for (std::uint32_t i = 0; i < range_count_; ++i) {
    for (std::uint64_t page = ranges_[i].start; page < ranges_[i].end; page += kPageSize) {
      machine::InvalidatePage(page);
    }
  }
}

void TlbGather::Finish() {
  K42_ASSERT(machine::SpinLocksHeld() == 0, "waits for other CPUs with a spin lock held");
  if (!cpus_.empty()) {
    const machine::CpuId self = machine::CurrentCpu();
    if (cpus_.Contains(self)) {
      InvalidateHere();
    }
    const CpuSet others = cpus_ - CpuSet::Of(self);
    if (!others.empty()) {
      ShootDown(
          others, [](void* gather) { static_cast<TlbGather*>(gather)->InvalidateHere(); }, this);
    }
    cpus_ = {};
    everything_ = false;
    range_count_ = 0;
    unfinished_->End(buckets_);
    buckets_ = 0;
  }
  if (HoldsBack()) [[unlikely]] {
    told_ = held_back_;
    held_back_ = kNowhere;
  }
  while (frame_count_ != 0) {
    frames_.DropUnmapped(to_drop_[--frame_count_]);
  }
  while (Frame* frame = listed_.PopFront()) {
    frames_.DropUnmapped(frame);
  }
}

}  // namespace k42::mem
