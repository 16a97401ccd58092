#include "cobj/hold.h"

#include "cobj/counted.dispatch.h"
#include "cobj/object_system.h"

namespace k42::cobj {
namespace {

Ref<ICounted> CountedOf(const ObjectRef& object) {
  return object.info->IsA(kCountedInfo) ? Ref<ICounted>::FromBits(object.ref) : Ref<ICounted>();
}

}  // namespace

Status Hold(const ObjectRef& object) {
  if (object.info->own)
    return Status::kPermissionDenied;
  if (object.info->removable) {
    node_objects->table().holds(object.ref).Hold();
    return Status::kOk;
  }
  const auto counted = CountedOf(object);
  return counted ? counted->HandleAdded() : Status::kOk;
}

void Release(const ObjectRef& object) {
  if (object.info->removable) {
    if (node_objects->table().holds(object.ref).Release())
      node_objects->manager_here().IdLeft(object.ref);
    return;
  }
  if (const auto counted = CountedOf(object))
    (void)counted->HandleDropped();
}

}  // namespace k42::cobj
