#include "ipc/exported_object.h"

#include "cobj/make.h"

namespace k42::ipc {

ExportedObject::ExportedObject(const ExportTarget& target, ReleasedObject* note)
    : target_(target), note_(note) {
  target_.table->Hold();
}

ExportedObject::~ExportedObject() {
  target_.table->Drop();
}

Status ExportedObject::HandleDropped() {
  if (handles_.Drop()) {
    target_.table->Released(note_);
    (void)cobj::Destroy(self_);
  }
  return Status::kOk;
}

}  // namespace k42::ipc
