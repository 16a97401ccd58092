// AddressSpace: the copy-on-write copy.
//
// With the whole space closed, region by region: nobody may write its private memory through a page
// table any more, the child's maps take the frames, each counted once more, and the child's page
// table shows what the parent's does. Then every TLB is told, before anybody uses the child. From
// then on whoever writes first takes a copy; the last holder writes in place. Shared memory is the
// same Fcm in both.
//
// Some pages are copied at once: a page that was written since the last copy will mostly be written
// by the parent again, and that would cost two faults and the same copy. So the personality's (its
// stack, its tables), which both sides go on with, and a few of the program's. They stay writable,
// so that is for a copier whose memory nobody else can write meanwhile: the copy would have some of
// what another thread did, and not what it did before. The page table's dirty bits tell which were
// written; nothing else depends on them.
//
// Nobody else: no other CPU has the tables loaded at the start, and none loads them, nor does
// another thread of this CPU go on with them, up to the end. Whoever does takes copier_ away, and
// the copy is made again, without such pages. It says first that it is in the active set and looks
// at copier_ then; the copier sets copier_ and looks at the active set then: one of them sees the
// other.
#include "mem/address_space_closure.h"
#include "mem/fcm_private.h"
#include "mem/heap.h"
#include "mem/services.h"

namespace k42::mem {

using machine::MutexGuard;
using machine::SpinGuard;

struct AddressSpace::Copying {
  AddressSpace& child;
  TlbGather& gather;
  // How many more pages are copied at once.
  std::uint32_t own_personality = 16;
  std::uint32_t own_program = 6;
};

Result<AddressSpace*> AddressSpace::ForkCopy() {
  const MutexGuard guard(change_);
  const Closure closed(*this, 0, abi::kUserLimit);
  copier_.store(machine::Thread::Current(), std::memory_order_seq_cst);
  const bool alone = (hat_.active() - CpuSet::Of(machine::CurrentCpu())).empty();
  const Result<AddressSpace*> copy = CopyClosed(alone);
  const bool undisturbed = copier_.exchange(nullptr, std::memory_order_seq_cst) != nullptr;
  if (!copy.ok() || !alone || undisturbed) {
    return copy;
  }
  copy.value()->Destroy();
  return CopyClosed(false);
}

void AddressSpace::DisturbCopier() {
  const machine::Thread* copier = copier_.load(std::memory_order_relaxed);
  if (copier != machine::Thread::Current()) {
    copier_.compare_exchange_strong(copier, nullptr, std::memory_order_seq_cst);
  }
}

Result<AddressSpace*> AddressSpace::CopyClosed(bool alone) {
  AddressSpace* child = TRY(Create(services_));
  TlbGather gather(services_.frames);
  Copying copying{*child, gather};
  if (!alone) {
    copying.own_personality = copying.own_program = 0;
  }
  const Status status = CopyRegions(copying);
  gather.Finish();
  DropCopies();
  if (!IsOk(status)) {
    child->Destroy();
    return status;
  }
  return child;
}

Status AddressSpace::CopyRegions(Copying& copying) {
  std::uint64_t limit = kNoLimit;
  {
    const SpinGuard guard(lock_);
    limit = limit_;
  }
  copying.child.SetLimit(limit);
  copying.child.RefuseLargePages(refuses_large_pages());
  std::uint64_t mapped = 0;
  for (Region* region = FirstAbove(0); region != nullptr; region = Next(region)) {
    if (region->fork != ForkPolicy::kOmit) {
      TRY(CopyRegion(*region, copying));
      mapped += region->size();
    }
  }
  copying.child.AddMapped(static_cast<std::int64_t>(mapped));
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

Status AddressSpace::CopyRegion(Region& region, Copying& copying) {
  AddressSpace& child = copying.child;
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
  TRY(child.Insert(made));
  if (fcm->is_private() && region.fork == ForkPolicy::kCopy) {
    std::uint32_t& own = region.personality ? copying.own_personality : copying.own_program;
    return static_cast<FcmPrivate*>(fcm)->ForkFrom(*static_cast<FcmPrivate*>(region.fcm), region,
                                                   *made, own, copying.gather);
  }
  return Status::kOk;
}

}  // namespace k42::mem
