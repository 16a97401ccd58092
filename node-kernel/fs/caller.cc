#include "fs/caller.h"

#include <atomic>

namespace k42::fs {
namespace {
constinit std::atomic<IdentitySource> identity_source{nullptr};
}

void SetIdentitySource(IdentitySource source) {
  identity_source.store(source, std::memory_order_release);
}

Status IdentityOf(const cobj::CallContext& caller, Identity* identity, bool real) {
  const IdentitySource source = identity_source.load(std::memory_order_acquire);
  if (source == nullptr || caller.from_kernel()) {
    *identity = Identity::Kernel();
    return Status::kOk;
  }
  return source(caller, real, identity);
}

}  // namespace k42::fs
