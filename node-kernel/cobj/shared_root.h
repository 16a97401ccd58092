// SharedRoot<Rep>: one rep for all CPUs, kept inside the root. The simplest clustered object, and
// the right one until its lock or its cache lines are shared too much.
//
// Rep is a final class that implements the interface Rep::Interface. If it has SetSelf(Ref), it is
// told its own reference before anybody can call it.
#pragma once

#include <utility>

#include "cobj/root.h"
#include "cobj/transfer.h"

namespace k42::cobj {

template <typename Rep>
concept KnowsItself = requires(Rep& rep, Ref<typename Rep::Interface> self) {
  rep.SetSelf(self);
};

template <typename Rep>
class SharedRoot final : public Root, private Transferable {
 public:
  using Interface = typename Rep::Interface;

  template <typename... Arguments>
  explicit SharedRoot(Arguments&&... arguments) : rep_(std::forward<Arguments>(arguments)...) {}

  Result<void*> ObjectFor(machine::CpuId) override { return static_cast<Interface*>(&rep_); }
  void Dispose(Allocator& allocator) override { allocator.Destroy(this); }

  Transferable* transferable() override { return SwappableRep<Rep> ? this : nullptr; }

  // For whoever made the object, before it is published.
  Rep& rep() { return rep_; }
  void Publishing(Ref<Interface> self) {
    if constexpr (KnowsItself<Rep>)
      rep_.SetSelf(self);
  }

 private:
  TransferForms ExportForms() const override {
    if constexpr (SwappableRep<Rep>)
      return Rep::kExportForms;
    return 0;
  }
  TransferForms ImportForms() const override {
    if constexpr (SwappableRep<Rep>)
      return Rep::kImportForms;
    return 0;
  }
  // The one rep exports once, on the first CPU; every CPU imports into it.
  Status Export(const TransferStep& step) override {
    if constexpr (SwappableRep<Rep>)
      return step.cpu == step.cpus.First() ? rep_.Export(step) : Status::kOk;
    return Status::kNotSupported;
  }
  Status Import(const TransferStep& step) override {
    if constexpr (SwappableRep<Rep>)
      return rep_.Import(step);
    return Status::kNotSupported;
  }

  Rep rep_;
};

}  // namespace k42::cobj
