// AddressSpace: questions.
#include "mem/address_space_closure.h"
#include "mem/services.h"

namespace k42::mem {

using machine::SpinGuard;

Status AddressSpace::QueryRegion(std::uint64_t address, RegionInfo& info) {
  {
    const SpinGuard guard(lock_, kRegion);
    const Region* region = FirstAboveLocked(address);
    if (region == nullptr) {
      return Status::kNotFound;
    }
    info.start = region->start;
    info.end = region->end;
    info.offset = region->fcm->ObjectOffset(region->offset);
    info.identity = region->fcm->identity();
    info.protection = region->protection;
    info.shared = region->shared;
    info.personality = region->personality;
  }
  std::uint64_t large = 0;
  info.resident = hat_.CountPresent(info.start, info.end, &large) * kPageSize;
  info.large = large * kPageSize;
  return Status::kOk;
}

Result<WordKey> AddressSpace::KeyOf(std::uint64_t address) {
  const SpinGuard guard(lock_, kRegion);
  const Region* region = FindLocked(address);
  if (region == nullptr) {
    return Status::kBadAddress;
  }
  return WordKey{region->fcm->Serial(services_.last_serial), region->OffsetOf(address)};
}

MemoryUse AddressSpace::Use() {
  MemoryUse use;
  use.resident = hat_.resident_pages() * kPageSize;
  use.peak_resident = hat_.peak_resident_pages() * kPageSize;
  const SpinGuard guard(lock_);
  use.mapped = mapped_;
  use.peak_mapped = peak_mapped_;
  use.faults = faults_;
  use.faults_waited = faults_waited_;
  return use;
}

void AddressSpace::SetLimit(std::uint64_t bytes) {
  const SpinGuard guard(lock_);
  limit_ = bytes;
}

}  // namespace k42::mem
