// The next thing a node's kernel has to be asked, so that a class comes the way it should.
#pragma once

#include <string>

#include "cluster-services/upgrade/rollout.h"

namespace k42::upgrade {

// What a kernel says of one class.
struct KernelClass {
  std::string name;
  std::uint32_t built_in = 0;
  Path path;
  std::uint64_t objects = 0;
  std::uint64_t outdated = 0;

  Release Present() const { return path.empty() ? Release{built_in, ""} : path.back(); }
  bool operator==(const KernelClass&) const = default;
};

struct KernelStep {
  enum class Kind { kNone, kBack, kLoad };
  Kind kind = Kind::kNone;
  Release to;  // where it leads
};

// What is present and not wanted goes first, the last first; then what is wanted comes, in order.
KernelStep NextStep(const KernelClass& present, const Path& desired);

}  // namespace k42::upgrade
