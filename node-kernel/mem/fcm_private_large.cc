// FcmPrivate: 2 MiB pages.
#include "machine/thread.h"
#include "mem/fcm_private.h"
#include "mem/heap.h"
#include "mem/services.h"

namespace k42::mem {

using machine::SpinGuard;

namespace {

constexpr machine::HoldReason kLargeEntered{
    16000 + kChunkMade,
    "512 pages go into the map, whose nodes may be missing, and one entry into the table"};
constexpr machine::HoldReason kLargeMapped{
    12000, "512 pages of the map and their frames are looked at: may one entry show them?"};
constexpr machine::HoldReason kLooked{1500, "up to nine nodes of the map are looked through"};

constexpr std::uint64_t FirstIndex(std::uint64_t address) {
  return PageIndex(AlignDown(address, kLargePageSize));
}

// Any page between `first` and the end of the large page.
bool AnyIn(const PageMap& map, std::uint64_t first) {
  bool any = false;
  map.ForEach(first, first + kPagesPerLargePage, [&any](std::uint64_t, PageMap::Entry&) {
    any = true;
    return false;
  });
  return any;
}

}  // namespace

// The first touch. Clearing takes as long as 512 small faults need for it, in which others who
// touch it do the same; one wins, the frames of the others go back.
Result<bool> FcmPrivate::MakeLarge(const FaultRequest& request, TlbGather& gather) {
  FrameAllocator& frames = services_.frames;
  {
    const SpinGuard guard(lock_, kLooked);
    if (AnyIn(map_, FirstIndex(request.address))) {
      return false;
    }
  }
  const Result<Frame*> run = frames.AllocateRun(kPagesPerLargePage, FramePurpose::kUser);
  if (!run.ok()) {
    return false;
  }
  Frame* const first = run.value();
  for (std::uint32_t i = 0; i < kPagesPerLargePage; ++i) {
    machine::ClearPage(FrameAllocator::Data(&first[i]));
    machine::Thread::PreemptionPoint();
  }
  {
    const SpinGuard guard(lock_, kLargeEntered);
    if (EnterLargeLocked(request.address, first)) {
      Hat& hat = *request.region->hat;
      const Protection protection = request.region->protection;
      if (!IsOk(hat.MapLarge(AlignDown(request.address, kLargePageSize), first->address, protection,
                             gather))) {
        const std::uint64_t within = request.address % kLargePageSize;
        TRY(hat.Map(request.address, first->address + within, protection, gather));
      }
      return true;
    }
  }
  frames.FreeRun(first, kPagesPerLargePage);
  return false;
}

// All of them or, where there is a page already or no memory for the map, none.
bool FcmPrivate::EnterLargeLocked(std::uint64_t address, const Frame* frames) {
  const std::uint64_t first = FirstIndex(address);
  if (AnyIn(map_, first)) {
    return false;
  }
  for (std::uint64_t i = 0; i < kPagesPerLargePage; i += PageMap::kRow) {
    if (!IsOk(map_.Prepare(first + i))) {
      return false;
    }
  }
  for (std::uint64_t i = 0; i < kPagesPerLargePage; i += PageMap::kRow) {
    PageMap::Entry* row = map_.FindOrAdd(first + i).value();
    for (std::uint64_t k = 0; k < PageMap::kRow; ++k) {
      row[k] = frames[i + k].address;
    }
  }
  return true;
}

// A page that is there: once more by one entry, where small ones have not been mapped since. Its
// frame is looked at first, which mostly says no at once.
bool FcmPrivate::MapLarge(const FaultRequest& request, TlbGather& gather) {
  Hat& hat = *request.region->hat;
  const std::uint64_t base = AlignDown(request.address, kLargePageSize);
  const SpinGuard guard(lock_, kLargeMapped);
  const PageMap::Entry* entry = map_.Find(PageIndex(request.address));
  if (entry == nullptr) {
    return false;
  }
  const Frame* const frame = services_.frames.FrameOf(*entry);
  const PhysAddr address = frame->address - (request.address - base);
  if (!IsAligned(address, kLargePageSize) || FrameAllocator::IsShared(frame) ||
      !hat.HasRoomForLarge(base)) {
    return false;
  }
  const Frame* const first = services_.frames.FrameOf(address);
  for (std::uint64_t i = 0; i < kPagesPerLargePage; i += PageMap::kRow) {
    const PageMap::Entry* row = map_.Find(PageIndex(base) + i);
    for (std::uint64_t k = 0; k < PageMap::kRow; ++k) {
      if (row == nullptr || row[k] != first[i + k].address ||
          FrameAllocator::IsShared(&first[i + k])) {
        return false;
      }
    }
  }
  return IsOk(hat.MapLarge(base, address, request.region->protection, gather));
}

}  // namespace k42::mem
