// ExportTable: the objects of this node that other nodes may call, by slot.
//
// The first slots are well known: a node that knows another's incarnation knows their global ids.
// The others are handed out; a slot's generation grows with each use, so an old id answers
// kDeleted. Locking: lock_ guards the entries.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "cobj/wire.h"
#include "global/global_id.h"
#include "global/link_request.h"
#include "machine/spin_lock.h"

namespace k42::global {

enum class WellKnown : std::uint32_t { kTestCounter = 1, kTestBarrier = 2, kObjectHost = 3 };

class ExportTable {
 public:
  static constexpr std::uint32_t kSlots = 1024;
  static constexpr std::uint32_t kWellKnownSlots = 16;

  constexpr ExportTable() = default;

  // The global id under which `home` serves the object.
  Result<GlobalId> Export(LinkPeer home, cobj::RefBits object, const cobj::GlobalClass& type);
  // In a well-known slot, under WellKnownId of whatever life this node is living.
  void ExportAs(WellKnown slot, cobj::RefBits object, const cobj::GlobalClass& type);
  Status Withdraw(GlobalId id);

  struct Found {
    cobj::RefBits object;
    const cobj::GlobalClass* type;
  };
  // kStaleIncarnation: of another life of this node; kDeleted: withdrawn.
  Status Find(LinkPeer home, GlobalId id, std::uint64_t class_digest, Found* found) const;

 private:
  struct Entry {
    cobj::RefBits object = 0;  // 0: free
    std::uint32_t generation = 0;
    const cobj::GlobalClass* type = nullptr;
  };
  mutable machine::SpinLock<LockRank::kReferenceTable> lock_;
  Entry entries_[kSlots] K42_GUARDED_BY(lock_) = {};
};

// A well-known object of another node, whatever it is.
constexpr GlobalId WellKnownId(LinkPeer home, WellKnown slot) {
  return GlobalId::Make(home.node, home.incarnation, static_cast<std::uint32_t>(slot), 0);
}

}  // namespace k42::global
