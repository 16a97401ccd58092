// SharedRoot<Rep>: one rep for all CPUs, kept inside the root. The simplest clustered object, and
// the right one until its lock or its cache lines are shared too much.
//
// Rep is a final class that implements the interface Rep::Interface. If it has SetSelf(Ref), it is
// told its own reference before anybody can call it.
#pragma once

#include <utility>

#include "cobj/root.h"

namespace k42::cobj {

template <typename Rep>
concept KnowsItself = requires(Rep& rep, Ref<typename Rep::Interface> self) {
  rep.SetSelf(self);
};

template <typename Rep>
class SharedRoot final : public Root {
 public:
  using Interface = typename Rep::Interface;

  template <typename... Arguments>
  explicit SharedRoot(Arguments&&... arguments) : rep_(std::forward<Arguments>(arguments)...) {}

  Result<void*> HandleMiss(machine::CpuId cpu, std::uint32_t) override {
    void* object = static_cast<Interface*>(&rep_);
    TRY(Install(cpu, object));
    return object;
  }
  void Dispose(Allocator& allocator) override { allocator.Destroy(this); }

  // For whoever made the object, before it is published.
  Rep& rep() { return rep_; }
  void Publishing(Ref<Interface> self) {
    if constexpr (KnowsItself<Rep>)
      rep_.SetSelf(self);
  }

 private:
  Rep rep_;
};

}  // namespace k42::cobj
