// The simulated MMU of the virtual CPUs: walks real page tables in simulated memory and keeps
// translations like a TLB, so that a missing shoot-down is seen as a wrong access. Hosted only.
//
// Each virtual CPU has its root and its TLB; SwitchRoot, InvalidatePage and InvalidateAllUser
// (machine/page_table.h) act on the calling CPU's.
#pragma once

#include <cstdint>
#include <optional>

#include "platform/contract/types.h"

namespace k42::machine::hosted {

enum class MmuAccess : std::uint8_t { kRead, kWrite, kExecute };

// Where this CPU's access to a user address goes; nothing: it faults. As on hardware, a translation
// once used stays in the TLB until invalidated; a refused access drops it and walks again, and so
// does the first write, which makes the entry dirty.
std::optional<PhysAddr> Translate(std::uint64_t address, MmuAccess access);

}  // namespace k42::machine::hosted
