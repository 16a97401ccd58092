// AddressSpace: the copy-on-write copy.
//
// With the whole space closed: first nobody may write private memory through a page table any more
// (and no TLB remembers otherwise), then the child's maps take the frames, each counted once more.
// From then on whoever writes first takes a copy; the last holder writes in place. Shared memory is
// the same Fcm in both.
#include "mem/address_space_closure.h"
#include "mem/fcm_private.h"
#include "mem/heap.h"
#include "mem/services.h"

namespace k42::mem {

using machine::MutexGuard;
using machine::SpinGuard;

Result<AddressSpace*> AddressSpace::ForkCopy() {
  AddressSpace* child = TRY(Create(services_));
  Status status = Status::kOk;
  {
    const MutexGuard guard(change_);
    const Closure closed(*this, 0, abi::kUserLimit);
    TlbGather gather(services_.frames);
    for (Region* region = FirstAbove(0); region != nullptr; region = Next(region)) {
      if (!region->shared && region->fork == ForkPolicy::kCopy) {
        hat_.Restrict(region->start, region->end, kProtectRead | kProtectExecute, gather);
      }
    }
    gather.Finish();
    status = CopyRegions(*child);
    DropCopies();
  }
  if (!IsOk(status)) {
    child->Destroy();
    return status;
  }
  return child;
}

Status AddressSpace::CopyRegions(AddressSpace& child) {
  std::uint64_t limit = kNoLimit;
  {
    const SpinGuard guard(lock_);
    limit = limit_;
  }
  child.SetLimit(limit);
  for (Region* region = FirstAbove(0); region != nullptr; region = Next(region)) {
    if (region->fork != ForkPolicy::kOmit) {
      TRY(CopyRegion(*region, child));
    }
  }
  return Status::kOk;
}

// The references that `copy` held while copies were being made.
void AddressSpace::DropCopies() {
  for (Region* region = FirstAbove(0); region != nullptr; region = Next(region)) {
    if (region->fcm->is_private()) {
      auto* fcm = static_cast<FcmPrivate*>(region->fcm);
      if (fcm->copy != nullptr) {
        fcm->copy->DropReference();
        fcm->copy = nullptr;
      }
    }
  }
}

Status AddressSpace::CopyRegion(Region& region, AddressSpace& child) {
  Fcm* fcm = region.fcm;
  if (fcm->is_private()) {
    auto* parent = static_cast<FcmPrivate*>(fcm);
    if (parent->copy == nullptr) {
      parent->copy = TRY(FcmPrivate::Create(services_, parent->source(), parent->source_delta()));
    }
    fcm = parent->copy;
  }
  Region* made = TRY(child.CopyOf(region, region.start));
  fcm->AddReference();
  made->fcm = fcm;
  child.Insert(made);
  child.AddMapped(static_cast<std::int64_t>(made->size()));
  if (fcm->is_private() && region.fork == ForkPolicy::kCopy) {
    return static_cast<FcmPrivate*>(fcm)->ShareFrom(*static_cast<FcmPrivate*>(region.fcm),
                                                    region.start, region.end, 0);
  }
  return Status::kOk;
}

}  // namespace k42::mem
