#include "global/export_table.h"

namespace k42::global {

Result<GlobalId> ExportTable::Export(LinkPeer home, cobj::RefBits object,
                                     const cobj::GlobalClass& type) {
  const machine::SpinGuard guard(lock_);
  for (std::uint32_t slot = kWellKnownSlots; slot < kSlots; ++slot) {
    Entry& entry = entries_[slot];
    if (entry.object != 0)
      continue;
    entry.object = object;
    entry.type = &type;
    return GlobalId::Make(home.node, home.incarnation, slot, entry.generation);
  }
  return Status::kLimitExceeded;
}

void ExportTable::ExportAs(WellKnown slot, cobj::RefBits object, const cobj::GlobalClass& type) {
  const machine::SpinGuard guard(lock_);
  Entry& entry = entries_[static_cast<std::uint32_t>(slot)];
  entry.object = object;
  entry.type = &type;
}

Status ExportTable::Withdraw(GlobalId id) {
  const machine::SpinGuard guard(lock_);
  if (id.slot() >= kSlots)
    return Status::kInvalidArgument;
  Entry& entry = entries_[id.slot()];
  if (entry.object == 0 || entry.generation != id.generation())
    return Status::kDeleted;
  entry.object = 0;
  entry.generation = (entry.generation + 1) & 0xff'ffff;
  return Status::kOk;
}

Status ExportTable::Find(LinkPeer home, GlobalId id, std::uint64_t class_digest,
                         Found* found) const {
  if (id.home() != home.node || id.incarnation() != home.incarnation)
    return Status::kStaleIncarnation;
  const machine::SpinGuard guard(lock_);
  if (id.slot() >= kSlots)
    return Status::kCorrupt;
  const Entry& entry = entries_[id.slot()];
  if (entry.object == 0 || entry.generation != id.generation())
    return Status::kDeleted;
  if (entry.type->digest->Short() != class_digest)
    return Status::kVersionMismatch;
  *found = {entry.object, entry.type};
  return Status::kOk;
}

}  // namespace k42::global
