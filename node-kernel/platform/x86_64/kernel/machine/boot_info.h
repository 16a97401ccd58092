// What the machine told us at boot. Filled by the first steps of the start list, constant after.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "platform/contract/types.h"
#include "platform/x86_64/shared/phys_ranges.h"

namespace k42::machine {

struct BootInfo {
  std::string_view command_line;
  std::uint64_t ram_size = 0;  // without the arena
  // The fabric arena: memory of the second NUMA node, shared with the companion. Empty if the
  // machine has none. Its last kArenaReservedTop bytes hold the firmware's ACPI tables.
  PhysRange arena = {0, 0};
  PhysAddr highest_ram = 0;  // end of the direct map's last RAM range
};
inline constexpr std::uint64_t kArenaReservedTop = 140 * 1024;

const BootInfo& GetBootInfo();

// The value of `key=value` in the command line; `fallback` if absent. A bare `key` gives "".
std::string_view BootOption(std::string_view key, std::string_view fallback);

// Early memory ends here: returns the page-aligned RAM ranges that nobody uses, sorted, for the
// frame allocator to own. Once.
std::span<const PhysRange> TakeFreeMemory();

// From then on the platform (stacks, page tables, CPU areas) asks these for frames: zeroed pages.
struct FrameSource {
  PhysAddr (*allocate)();  // 0 when there is none
  void (*free)(PhysAddr);
};
void SetFrameSource(const FrameSource& source);

}  // namespace k42::machine
