// What the simulated machine has. Interface: platform/x86_64/kernel/machine/boot_info.h.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "platform/contract/types.h"

namespace k42::machine {

struct PhysRange {
  PhysAddr begin;
  PhysAddr end;
  std::uint64_t size() const { return end - begin; }
};

struct BootInfo {
  std::string_view command_line;
  std::uint64_t ram_size = 0;
  PhysRange arena = {0, 0};
  PhysAddr highest_ram = 0;
};
inline constexpr std::uint64_t kArenaReservedTop = 140 * 1024;

const BootInfo& GetBootInfo();
std::string_view BootOption(std::string_view key, std::string_view fallback);
std::span<const PhysRange> TakeFreeMemory();

struct FrameSource {
  PhysAddr (*allocate)();
  void (*free)(PhysAddr);
};
void SetFrameSource(const FrameSource& source);

}  // namespace k42::machine
