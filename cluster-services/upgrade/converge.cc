#include "cluster-services/upgrade/converge.h"

#include <algorithm>

namespace k42::upgrade {

KernelStep NextStep(const KernelClass& present, const Path& desired) {
  const auto [ours, theirs] =
      std::mismatch(present.path.begin(), present.path.end(), desired.begin(), desired.end());
  if (ours != present.path.end()) {
    const std::size_t left = present.path.size() - 1;
    return {KernelStep::Kind::kBack,
            left == 0 ? Release{present.built_in, ""} : present.path[left - 1]};
  }
  if (theirs != desired.end())
    return {KernelStep::Kind::kLoad, *theirs};
  return {};
}

}  // namespace k42::upgrade
