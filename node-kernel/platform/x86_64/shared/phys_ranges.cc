#include "platform/x86_64/shared/phys_ranges.h"

#include <algorithm>

namespace k42::machine {

void PhysRanges::RemoveAt(std::size_t index) {
  std::copy(ranges_.begin() + index + 1, ranges_.begin() + count_, ranges_.begin() + index);
  --count_;
}

Status PhysRanges::Add(PhysRange range) {
  if (range.begin >= range.end) {
    return Status::kOk;
  }
  for (std::size_t i = 0; i < count_;) {
    if (ranges_[i].begin <= range.end && range.begin <= ranges_[i].end) {
      range.begin = std::min(range.begin, ranges_[i].begin);
      range.end = std::max(range.end, ranges_[i].end);
      RemoveAt(i);
    } else {
      ++i;
    }
  }
  if (count_ == kCapacity) {
    return Status::kNoSpace;
  }
  std::size_t at = 0;
  while (at < count_ && ranges_[at].begin < range.begin) {
    ++at;
  }
  std::copy_backward(ranges_.begin() + at, ranges_.begin() + count_, ranges_.begin() + count_ + 1);
  ranges_[at] = range;
  ++count_;
  return Status::kOk;
}

Status PhysRanges::Subtract(PhysRange range) {
  if (range.begin >= range.end) {
    return Status::kOk;
  }
  for (std::size_t i = 0; i < count_;) {
    PhysRange& have = ranges_[i];
    if (range.end <= have.begin || have.end <= range.begin) {
      ++i;
    } else if (range.begin <= have.begin && have.end <= range.end) {
      RemoveAt(i);
    } else if (range.begin <= have.begin) {
      have.begin = range.end;
      ++i;
    } else if (have.end <= range.end) {
      have.end = range.begin;
      ++i;
    } else {
      const PhysRange upper{range.end, have.end};
      have.end = range.begin;
      return Add(upper);
    }
  }
  return Status::kOk;
}

void PhysRanges::TrimToPages() {
  for (std::size_t i = 0; i < count_;) {
    PhysRange& range = ranges_[i];
    const PhysAddr begin = (range.begin + kPageSize - 1) & ~(kPageSize - 1);
    const PhysAddr end = range.end & ~(kPageSize - 1);
    // begin < range.begin: rounding up ran over the end of the address space.
    if (begin >= end || begin < range.begin) {
      RemoveAt(i);
    } else {
      range = {begin, end};
      ++i;
    }
  }
}

std::uint64_t PhysRanges::TotalSize() const {
  std::uint64_t total = 0;
  for (const PhysRange& range : ranges()) {
    total += range.size();
  }
  return total;
}

}  // namespace k42::machine
