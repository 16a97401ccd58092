// CodeUse: the code of one version of a class (the kernel's own, or a module's): what makes its
// objects, and how much still runs on it: the roots made by it that have not been disposed of. A
// root goes only after the grace period in which the last thread inside it has ended, so at zero no
// call is inside the code.
#pragma once

#include <cstdint>

#include "base/allocator.h"
#include "base/result.h"
#include "cobj/use_count.h"
#include "machine/cpu.h"

namespace k42::cobj {

class Root;

// Makes a root of the class, not published.
using RootMaker = Result<Root*> (*)(Allocator& allocator);

class CodeUse {
 public:
  constexpr CodeUse() = default;
  explicit constexpr CodeUse(RootMaker root_maker) : maker_(root_maker) {}
  CodeUse(const CodeUse&) = delete;
  CodeUse& operator=(const CodeUse&) = delete;

  // Before anybody else knows of the version.
  void SetMaker(RootMaker root_maker) { maker_ = root_maker; }
  RootMaker maker() const { return maker_; }

  void Add() { roots_.Add(machine::CurrentCpu()); }
  void Drop() { roots_.Drop(machine::CurrentCpu()); }
  std::uint64_t roots() const { return roots_.Count(); }

 private:
  RootMaker maker_ = nullptr;
  UseCount roots_;
};

}  // namespace k42::cobj
