#include "cobj/hold.h"

#include "cobj/counted.dispatch.h"

namespace k42::cobj {
namespace {

Ref<ICounted> CountedOf(const ObjectRef& object) {
  return object.info->IsA(kCountedInfo) ? Ref<ICounted>::FromBits(object.ref) : Ref<ICounted>();
}

}  // namespace

Status Hold(const ObjectRef& object) {
  if (object.info->own)
    return Status::kPermissionDenied;
  const auto counted = CountedOf(object);
  return counted ? counted->HandleAdded() : Status::kOk;
}

void Release(const ObjectRef& object) {
  if (const auto counted = CountedOf(object))
    (void)counted->HandleDropped();
}

}  // namespace k42::cobj
