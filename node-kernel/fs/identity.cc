#include "fs/identity.h"

namespace k42::fs {
namespace {
constexpr Identity kKernelIdentity{.groups = {}};
constexpr std::uint32_t kAnyExecute = 0111;
}  // namespace

const Identity& Identity::Kernel() {
  return kKernelIdentity;
}

bool Permits(const Identity& who, const Ownership& owned, FileKind kind, std::uint32_t access) {
  if (who.privileged()) {
    return (access & kAccessExecute) == 0 || kind == FileKind::kDirectory ||
           (owned.mode & kAnyExecute) != 0;
  }
  std::uint32_t granted = owned.mode;  // the class the asker is in, and no other, decides
  if (who.user == owned.user) {
    granted >>= 6;
  } else if (who.InGroup(owned.group)) {
    granted >>= 3;
  }
  return (access & ~granted & 7) == 0;
}

}  // namespace k42::fs
