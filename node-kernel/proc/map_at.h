// MapAt: what the kernel itself puts into a process, at the address that the ABI says.
#pragma once

#include "mem/address_space.h"

namespace k42::proc {

// `size` bytes of `source` (null: anonymous memory) from `offset` on, above what programs map.
// kAlreadyExists, kNoMemory.
inline Status MapAt(mem::AddressSpace& space, std::uint64_t address, std::uint64_t size,
                    mem::Protection protection, mem::Fcm* source, std::uint64_t offset, bool shared,
                    mem::ForkPolicy fork) {
  mem::MapRequest request;
  request.address = address;
  request.size = size;
  request.placement = mem::Placement::kFixedNoReplace;
  request.protection = protection;
  request.shared = shared;
  request.personality = true;
  request.fork = fork;
  request.source = source;
  request.offset = offset;
  request.may_write = !shared || (protection & mem::kProtectWrite) != 0;
  const auto mapped = space.Map(request);
  return mapped.status();
}

// The page will be touched at once: it is shown now, which costs a part of the fault. Without
// memory the fault comes.
inline void ShowAt(mem::AddressSpace& space, std::uint64_t address, mem::Access access) {
  (void)space.HandleFault(address, access, nullptr);
}

}  // namespace k42::proc
