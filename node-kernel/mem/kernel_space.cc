#include "mem/kernel_space.h"

#include "base/assert.h"
#include "base/checked.h"
#include "machine/cpu.h"
#include "mem/heap.h"
#include "mem/shoot_down.h"

namespace k42::mem {

using machine::kPteNoExecute;
using machine::kPtePresent;
using machine::kPteWritable;
using machine::SpinGuard;

namespace {

constexpr machine::HoldReason kEntry{
    4000 + kChunkMade, "one entry is found; up to three tables for it are taken and cleared"};
constexpr machine::HoldReason kRanges{
    3000, "a place is looked for among the ranges there are: some tens"};

constexpr machine::PageTableEntry kTableBits = kPtePresent | kPteWritable;

machine::PageTableEntry BitsOf(KernelAccess access) {
  switch (access) {
    case KernelAccess::kReadWrite:
      return kPtePresent | machine::kPteGlobal | kPteWritable | kPteNoExecute;
    case KernelAccess::kReadOnly:
      return kPtePresent | machine::kPteGlobal | kPteNoExecute;
    case KernelAccess::kReadExecute:
      break;
  }
  return kPtePresent | machine::kPteGlobal;
}

void InvalidateHere(void* argument) {
  const auto& range = *static_cast<const KernelRange*>(argument);
  for (std::uint64_t at = range.start; at < range.start + range.backed; at += kPageSize) {
    machine::InvalidatePage(at);
  }
}

}  // namespace

void KernelSpace::InvalidateEverywhere(const KernelRange& range) {
  auto* argument = const_cast<KernelRange*>(&range);
  InvalidateHere(argument);
  ShootDown(CpuSet::FirstOf(machine::CpuCount()) - CpuSet::Of(machine::CurrentCpu()),
            InvalidateHere, argument);
}

// First fit, with a guard page before each range (and so one behind each, or the end).
std::uint64_t KernelSpace::FindPlaceLocked(std::uint64_t size) const {
  std::uint64_t at = base_ + kPageSize;
  for (const KernelRange* range = ranges_.First(); range != nullptr; range = ranges_.Next(range)) {
    if (range->start >= at + size + kPageSize) {
      break;
    }
    at = range->start + range->reserved + kPageSize;
  }
  return end_ - at >= size + kPageSize && at < end_ ? at : 0;
}

Result<KernelRange*> KernelSpace::Reserve(std::uint64_t size) {
  const std::uint64_t rounded = TRY(CheckedAlignUp(size, kPageSize));
  if (rounded == 0 || rounded > end_ - base_) {
    return Status::kInvalidArgument;
  }
  KernelRange* range = TRY(New<KernelRange>());
  range->reserved = rounded;
  {
    const SpinGuard guard(lock_, kRanges);
    range->start = FindPlaceLocked(rounded);
    if (range->start != 0) {
      ranges_.Insert(range);
      return range;
    }
  }
  Delete(range);
  return Status::kNoSpace;
}

KernelSpace::Entry* KernelSpace::EntryOfLocked(std::uint64_t address) {
  PhysAddr table = machine::KernelRoot();
  for (unsigned level = machine::kPageTableLevels; level > 1; --level) {
    Entry& slot = machine::PhysToVirt<Entry>(table)[machine::PageTableIndex(address, level)];
    if ((slot & kPtePresent) == 0) {
      const Result<Frame*> frame = frames_.AllocateZeroed(FramePurpose::kKernel);
      if (!frame.ok()) {
        return nullptr;
      }
      slot = frame.value()->address | kTableBits;
    }
    table = machine::PteAddress(slot);
  }
  return &machine::PhysToVirt<Entry>(table)[machine::PageTableIndex(address, 1)];
}

Status KernelSpace::Grow(KernelRange* range, std::uint64_t bytes) {
  const std::uint64_t more = TRY(CheckedAlignUp(bytes, kPageSize));
  if (more > range->reserved - range->backed) {
    return Status::kOutOfRange;
  }
  for (const std::uint64_t goal = range->backed + more; range->backed < goal;) {
    Frame* frame = TRY(frames_.AllocateZeroed(FramePurpose::kKernel));
    {
      const SpinGuard guard(lock_, kEntry);
      Entry* entry = EntryOfLocked(range->start + range->backed);
      if (entry != nullptr) {
        *entry = frame->address | BitsOf(KernelAccess::kReadWrite);
        range->backed += kPageSize;
        continue;
      }
    }
    frames_.DropReference(frame);
    return Status::kNoMemory;
  }
  return Status::kOk;
}

void KernelSpace::Protect(KernelRange* range, std::uint64_t offset, std::uint64_t size,
                          KernelAccess access) {
  K42_ASSERT(offset <= range->backed && size <= range->backed - offset, "beyond what is backed");
  const std::uint64_t begin = range->start + offset;
  for (std::uint64_t at = begin; at < begin + size; at += kPageSize) {
    const SpinGuard guard(lock_, kEntry);
    Entry* entry = EntryOfLocked(at);
    *entry = machine::PteAddress(*entry) | BitsOf(access);
  }
  InvalidateEverywhere(*range);
}

// The entries keep the frames' addresses, not present, until no CPU has a translation left.
void KernelSpace::Release(KernelRange* range) {
  const auto for_each_entry = [&](auto work) {
    for (std::uint64_t at = range->start; at < range->start + range->backed; at += kPageSize) {
      const SpinGuard guard(lock_, kEntry);
      work(*EntryOfLocked(at));
    }
  };
  for_each_entry([](Entry& entry) { entry &= ~kPtePresent; });
  InvalidateEverywhere(*range);
  for_each_entry([this](Entry& entry) {
    frames_.DropReference(frames_.FrameOf(machine::PteAddress(entry)));
    entry = 0;
  });
  {
    const SpinGuard guard(lock_);
    ranges_.Remove(range);
  }
  Delete(range);
}

}  // namespace k42::mem
