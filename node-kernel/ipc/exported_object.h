// ExportedObject: stands behind the handles of an object that a program serves. It lives as long as
// there are handles; then, after a grace period, the program is told (CallTable::Released).
#pragma once

#include "cobj/handle_count.h"
#include "ipc/call_table.h"
#include "ipc/export_target.h"
#include "ipc/exported.idl.h"

namespace k42::ipc {

class ExportedObject final : public IExported {
 public:
  using Interface = IExported;

  // Holds the target's table. `note`: for the last handle's end.
  ExportedObject(const ExportTarget& target, ReleasedObject* note);
  ~ExportedObject();

  void SetSelf(cobj::Ref<IExported> self) { self_ = self; }

  Status HandleAdded() override { return handles_.Add(); }
  Status HandleDropped() override;
  Result<const ExportTarget*> Target() override { return &target_; }

 private:
  const ExportTarget target_;
  ReleasedObject* const note_;
  cobj::Ref<IExported> self_;
  cobj::HandleCount handles_;
};

}  // namespace k42::ipc
