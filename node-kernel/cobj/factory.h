// Factory<I>: makes the objects of one class and knows those that live, so that all of them can
// become the class's next version while they are in use.
//
// An instance is tracked by a record in the list of the CPU that made it; the object's root points
// at the record, a swap hands it on to the new root, and it goes with the object, however that is
// destroyed.
//
// Update: the version must be the present one plus one, or minus one (a way back). From then on new
// objects are of the new version; the others are swapped one by one (swap.h), so old and new ones
// work side by side meanwhile. An instance whose swap fails stays what it is, is counted, and is
// tried again by Retry.
//
// Versions are told apart by their code (code_use.h), not by number: a version that was withdrawn
// and another module of the same number are not the same.
//
// Locking: a list and its records' versions are under the list's lock; the present version is
// changed under present_lock_. No object is made, called or swapped under either. Who makes objects
// only reads what is the present code: making them writes no line that other CPUs write.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "base/intrusive_list.h"
#include "cobj/instance.h"
#include "cobj/swap.h"
#include "cobj/upgradable.h"

namespace k42::cobj {

template <typename I>
class Factory final : public UpgradableClass {
 public:
  using Maker = RootMaker;

  constexpr Factory(std::uint32_t version, Maker maker)
      : own_code_(maker), number_(version), code_(&own_code_) {}
  Factory(const Factory&) = delete;
  Factory& operator=(const Factory&) = delete;

  Result<Ref<I>> Create() {
    Allocator& allocator = node_objects->allocator();
    CodeUse& code = *code_.load(std::memory_order_acquire);
    Root* root = TRY(Make(code, allocator));
    const Result<Instance*> record = allocator.Make<Instance>();
    const Result<RefBits> bits = record.ok() ? node_objects->Reserve(*root) : record.status();
    if (!bits.ok()) {
      if (record.ok())
        allocator.Destroy(record.value());
      DisposeOf(root, allocator);
      return bits.status();
    }
    record.value()->bits = bits.value();
    record.value()->code = &code;
    root->SetInstance(record.value());
    node_objects->Publish(*root);
    // An update changes the code, then looks into the lists: if not there, it is seen here.
    instances_.Add(*record.value());
    const auto ref = Ref<I>::FromBits(bits.value());
    if (code_.load(std::memory_order_acquire) != &code)
      (void)Retry();
    return ref;
  }

  std::uint64_t count() const { return instances_.count(); }
  std::uint32_t version() { return Present().number; }

  // -- UpgradableClass --
  ClassVersion Present() override {
    const machine::SpinGuard guard(present_lock_);
    return {number_, code_.load(std::memory_order_relaxed)};
  }
  std::uint64_t Count() override { return instances_.count(); }
  std::uint64_t Outdated() override { return instances_.CountOtherThan(Present().code); }

  Result<std::uint64_t> Update(const ClassVersion& next) override {
    {
      const machine::SpinGuard guard(present_lock_);
      if (next.number != number_ + 1 && next.number + 1 != number_)
        return Status::kVersionMismatch;
      number_ = next.number;
      code_.store(next.code, std::memory_order_release);
    }
    return Retry();
  }
  Result<std::uint64_t> Retry() override {
    Allocator& allocator = node_objects->allocator();
    std::uint64_t failed = 0;
    InstanceList::Claim claim;
    const CodeUse* swept_for = nullptr;
    for (;;) {
      // During a swap another update may have come, and the old code's module have gone.
      CodeUse& code = *code_.load(std::memory_order_acquire);
      if (std::exchange(swept_for, &code) != &code)
        claim = {};
      if (!instances_.ClaimOutdated(&code, &claim))
        return failed;
      const Result<Root*> root = Make(code, allocator);
      const Status status =
          root.ok() ? SwapObject(Ref<I>::FromBits(claim.bits), root.value()) : root.status();
      if (status != Status::kOk && status != Status::kDeleted) {
        ++failed;
        const machine::SpinGuard guard(present_lock_);
        last_failure_ = {claim.bits, status};
      }
      instances_.EndClaim(claim, status == Status::kOk, &code);
    }
  }
  SwapFailure LastFailure() override {
    const machine::SpinGuard guard(present_lock_);
    return last_failure_;
  }

 private:
  static Result<Root*> Make(CodeUse& code, Allocator& allocator) {
    Root* root = TRY(code.maker()(allocator));
    root->SetCode(code);
    return root;
  }

  CodeUse own_code_;  // of the version that the kernel was built with
  machine::SpinLock<LockRank::kFactory> present_lock_;
  std::uint32_t number_ K42_GUARDED_BY(present_lock_);
  std::atomic<CodeUse*> code_;  // the present one; written under present_lock_
  SwapFailure last_failure_ K42_GUARDED_BY(present_lock_);
  InstanceList instances_;
};

}  // namespace k42::cobj
