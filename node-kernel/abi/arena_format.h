// Makes a zeroed arena into an empty, formatted one. The kernel does it once in its life, before
// the link device starts; tests do it to have an arena without a kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "abi/arena_layout.h"

namespace k42::abi {

inline Result<ArenaLayout> FormatArena(std::byte* base, std::uint64_t size, std::uint32_t cpu_count,
                                       const std::uint8_t (&boot_id)[16]) {
  ArenaLayout at = TRY(ComputeArenaLayout(size, cpu_count));
  // Everything but the daemon's page: its daemon may be there already.
  std::memset(base + at.chunks, 0, at.data - at.chunks);
  auto& header = *reinterpret_cast<ArenaHeader*>(base);
  header.magic = kArenaMagic;
  header.version = kArenaVersion;
  header.header_size = sizeof(ArenaHeader);
  header.arena_size = size;
  header.cpu_count = cpu_count;
  header.chunks = at.chunks;
  header.windows = at.windows;
  header.operations = at.operations;
  header.submit_rings = at.submit_rings;
  header.receive_rings = at.receive_rings;
  header.data = at.data;
  std::memcpy(header.boot_id, boot_id, sizeof boot_id);
  header.state.store(KernelState::kFormatted, std::memory_order_release);
  return at;
}

}  // namespace k42::abi
