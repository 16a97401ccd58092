// CodeUse: how much still runs on the code of one version of a class (the kernel's own, or a
// module's): the roots made by it that have not been disposed of. A root goes only after the grace
// period in which the last thread inside it has ended, so at zero no call is inside the code.
#pragma once

#include <atomic>
#include <cstdint>

namespace k42::cobj {

class CodeUse {
 public:
  constexpr CodeUse() = default;
  CodeUse(const CodeUse&) = delete;
  CodeUse& operator=(const CodeUse&) = delete;

  void Add() { roots_.fetch_add(1, std::memory_order_relaxed); }
  void Drop() { roots_.fetch_sub(1, std::memory_order_release); }
  std::uint64_t roots() const { return roots_.load(std::memory_order_acquire); }

 private:
  std::atomic<std::uint64_t> roots_{0};
};

}  // namespace k42::cobj
