// Factory<I>: makes the objects of one class and knows those that live, so that all of them can
// become the class's next version while they are in use.
//
// An instance is tracked by a record in the list of the CPU that made it; the object's root points
// at the record, a swap hands it on to the new root, and it goes with the object, however that is
// destroyed.
//
// Update: the version must be the present one plus one. From then on new objects are of the new
// version; the others are swapped one by one (swap.h), so old and new ones work side by side
// meanwhile. An instance whose swap fails stays what it is, is counted, and is tried again by
// Retry.
//
// Locking: a list and its records' versions are under the list's lock; the maker under maker_lock_.
// No object is made, called or swapped under either.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/intrusive_list.h"
#include "cobj/instance.h"
#include "cobj/swap.h"

namespace k42::cobj {

template <typename I>
class Factory {
 public:
  // A root of the class, not published.
  using Maker = Result<Root*> (*)(Allocator& allocator);

  Factory(std::uint32_t version, Maker maker) : version_(version), maker_(maker) {}
  Factory(const Factory&) = delete;
  Factory& operator=(const Factory&) = delete;

  Result<Ref<I>> Create() {
    Allocator& allocator = node_objects->allocator();
    const Present present = Now();
    Root* root = TRY(present.maker(allocator));
    const Result<Instance*> record = allocator.Make<Instance>();
    const Result<RefBits> bits = record.ok() ? node_objects->Reserve(*root) : record.status();
    if (!bits.ok()) {
      if (record.ok())
        allocator.Destroy(record.value());
      root->Dispose(allocator);
      return bits.status();
    }
    record.value()->bits = bits.value();
    record.value()->version = present.version;
    root->SetInstance(record.value());
    instances_.Add(*record.value());
    node_objects->Publish(*root);
    const auto ref = Ref<I>::FromBits(bits.value());
    if (Now().version != present.version)
      (void)Retry();  // an update has passed between the making and the list
    return ref;
  }

  std::uint64_t count() const { return instances_.count(); }
  std::uint32_t version() { return Now().version; }
  // Live instances of another version than the present one.
  std::uint64_t Outdated() { return instances_.CountOtherThan(Now().version); }

  // kVersionMismatch: not the next version. Else how many instances could not be swapped.
  Result<std::uint64_t> Update(std::uint32_t version, Maker maker) {
    {
      const machine::SpinGuard guard(maker_lock_);
      if (version != version_ + 1)
        return Status::kVersionMismatch;
      version_ = version;
      maker_ = maker;
    }
    return Retry();
  }
  // Swaps the instances that are not of the present version.
  Result<std::uint64_t> Retry() {
    Allocator& allocator = node_objects->allocator();
    const Present present = Now();
    std::uint64_t failed = 0;
    InstanceList::Claim claim;
    while (instances_.ClaimOutdated(present.version, &claim)) {
      const Result<Root*> root = present.maker(allocator);
      const Status status =
          root.ok() ? SwapObject(Ref<I>::FromBits(claim.bits), root.value()) : root.status();
      if (status != Status::kOk && status != Status::kDeleted)
        ++failed;
      instances_.EndClaim(claim, status == Status::kOk, present.version);
    }
    return failed;
  }

 private:
  struct Present {
    std::uint32_t version;
    Maker maker;
  };
  Present Now() {
    const machine::SpinGuard guard(maker_lock_);
    return {version_, maker_};
  }

  machine::SpinLock<LockRank::kFactory> maker_lock_;
  std::uint32_t version_ K42_GUARDED_BY(maker_lock_);
  Maker maker_ K42_GUARDED_BY(maker_lock_);
  InstanceList instances_;
};

}  // namespace k42::cobj
