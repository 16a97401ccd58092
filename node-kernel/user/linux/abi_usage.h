// Resource use, limits, system information as Linux x86-64 lays them out.
#pragma once

#include <cstdint>

#include "user/linux/abi_files.h"

namespace k42::personality {

struct LinuxUsage {
  LinuxTimeval user, system;
  std::int64_t max_resident, shared_text, data, stack, minor_faults, major_faults, swaps;
  std::int64_t blocks_in, blocks_out, messages_sent, messages_received, signals;
  std::int64_t voluntary_switches, involuntary_switches;
};
static_assert(sizeof(LinuxUsage) == 144);

struct LinuxLimit {
  std::uint64_t current, maximum;  // all ones: none
};

struct LinuxSysInfo {
  std::int64_t uptime;
  std::uint64_t loads[3], total_ram, free_ram, shared_ram, buffer_ram, total_swap, free_swap;
  std::uint16_t processes, pad0;
  std::uint32_t pad1;
  std::uint64_t total_high, free_high;
  std::uint32_t unit;
  std::uint32_t pad2;
};
static_assert(sizeof(LinuxSysInfo) == 112);

struct LinuxUtsName {
  char system[65], node[65], release[65], version[65], machine[65], domain[65];
};
static_assert(sizeof(LinuxUtsName) == 390);

inline LinuxTimeval ToTimeval(std::uint64_t ns) {
  return {static_cast<std::int64_t>(ns / 1'000'000'000),
          static_cast<std::int64_t>(ns % 1'000'000'000 / 1000)};
}

}  // namespace k42::personality
