#include "machine/boot_info.h"

#include <cstring>

#include "base/assert.h"
#include "early_memory.h"
#include "machine/log.h"
#include "machine/phys.h"
#include "platform/x86_64/shared/command_line.h"
#include "pvh.h"

extern "C" const char kernel_begin[], kernel_end[];

namespace k42::machine {
namespace {

constexpr std::uint32_t kStartMagic = 0x336e'c578;
constexpr std::uint32_t kMemoryRam = 1;
constexpr PhysAddr kFirstMiB = 1 << 20;
constexpr PhysAddr kBootMapped = 1 << 30;

struct StartInfo {
  std::uint32_t magic, version, flags, module_count;
  std::uint64_t modules, command_line, rsdp, memory_map;
  std::uint32_t memory_map_entries, reserved;
};
struct MemoryMapEntry {
  std::uint64_t begin, size;
  std::uint32_t type, reserved;
};

// Written by the boot CPU before the others start, constant after.
constinit BootInfo boot_info;
constinit char command_line[2048] = {};
constinit PhysRanges ram;
constinit PhysAddr rsdp = 0;
constinit AcpiInfo acpi;

// Tables lie in RAM or below 1 MiB; what the direct map lacks cannot be read.
std::span<const std::byte> ReadFirmwareBytes(void*, PhysAddr address, std::size_t size) {
  constexpr PhysAddr kLarge = 2 << 20;
  for (const PhysRange& range : ram.ranges()) {
    const PhysAddr begin = range.begin & ~(kLarge - 1);
    const PhysAddr end = (range.end + kLarge - 1) & ~(kLarge - 1);
    if (address >= begin && address < end && size <= end - address) {
      return {PhysToVirt<const std::byte>(address), size};
    }
  }
  return {};
}

// The arena is the memory of proximity domain 1 (see the README on how a node is started).
PhysRange FindArena() {
  PhysRange arena = {0, 0};
  for (std::uint32_t i = 0; i < acpi.memory_count; ++i) {
    const AcpiInfo::Memory& memory = acpi.memory[i];
    if (memory.domain != 1) {
      continue;
    }
    for (const PhysRange& range : ram.ranges()) {
      const PhysAddr begin = memory.begin > range.begin ? memory.begin : range.begin;
      const PhysAddr end = memory.end < range.end ? memory.end : range.end;
      if (begin < end && end - begin > arena.size()) {
        arena = {begin, end};
      }
    }
  }
  return arena;
}

}  // namespace

const BootInfo& GetBootInfo() {
  return boot_info;
}
const AcpiInfo& GetAcpi() {
  return acpi;
}
std::span<const PhysRange> RamRanges() {
  return ram.ranges();
}

void ReadStartInfo(std::uint32_t start_info) {
  const auto* info = PhysToVirt<const StartInfo>(start_info);
  K42_ASSERT(info->magic == kStartMagic, "not started by a PVH loader");
  if (info->command_line != 0 && info->command_line < kBootMapped) {
    const auto* text = PhysToVirt<const char>(info->command_line);
    std::size_t size = 0;
    while (size < sizeof(command_line) && text[size] != 0) {
      command_line[size] = text[size];
      ++size;
    }
    boot_info.command_line = {command_line, size};
  }
  rsdp = info->rsdp;
  const auto* map = PhysToVirt<const MemoryMapEntry>(info->memory_map);
  for (std::uint32_t i = 0; i < info->memory_map_entries; ++i) {
    if (map[i].type == kMemoryRam &&
        ram.Add({map[i].begin, map[i].begin + map[i].size}) != Status::kOk) {
      Log("memory map: entry {} ignored, too many ranges", i);
    }
  }
  for (const PhysRange& range : ram.ranges()) {
    boot_info.highest_ram = range.end;
  }
}

void ReadFirmwareTables() {
  const Result<std::uint32_t> cpus = ParseAcpi(rsdp, {ReadFirmwareBytes, nullptr}, acpi);
  if (!cpus.ok()) {
    Log("ACPI: no valid tables at {x}: one CPU, no arena", rsdp);
  }
  if (acpi.cpus_ignored != 0) {
    Log("ACPI: {} processors more than the {} that this kernel runs: left out", acpi.cpus_ignored,
        kMaxCpus);
  }
  boot_info.arena = FindArena();
  ReserveMemory(boot_info.arena);
  boot_info.ram_size = ram.TotalSize() - boot_info.arena.size();
}

PhysRanges FreeRam() {
  PhysRanges free = ram;
  for (const PhysRange& used :
       {PhysRange{0, kFirstMiB}, PhysRange{VirtToPhys(kernel_begin), VirtToPhys(kernel_end)}}) {
    const Status status = free.Subtract(used);
    K42_ASSERT(status == Status::kOk, "memory map too fragmented");
  }
  return free;
}

std::string_view BootOption(std::string_view key, std::string_view fallback) {
  return CommandLine(boot_info.command_line).Find(key).value_or(fallback);
}

}  // namespace k42::machine
