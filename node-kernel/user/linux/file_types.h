// Conversions of file attributes to Linux's layouts. Pure functions.
#pragma once

#include "fs/file.types.h"
#include "user/linux/abi_files.h"

namespace k42::personality {

std::uint32_t LinuxMode(const fs::FileAttributes& attributes);
// Linux's packing of a device number.
constexpr std::uint64_t LinuxDevice(std::uint32_t major, std::uint32_t minor) {
  return (minor & 0xff) | std::uint64_t{major & 0xfff} << 8 | std::uint64_t{minor & ~0xffu} << 12 |
         std::uint64_t{major & ~0xfffu} << 32;
}
LinuxStat ToLinuxStat(const fs::FileAttributes& attributes);
LinuxStatx ToLinuxStatx(const fs::FileAttributes& attributes);
LinuxStatfs ToLinuxStatfs(const fs::FileSystemInfo& info);

}  // namespace k42::personality
