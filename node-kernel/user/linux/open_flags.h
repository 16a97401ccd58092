// Between Linux's open flags and fs/file.idl's.
#pragma once

#include <cstdint>

#include "fs/file.types.h"
#include "user/linux/abi_files.h"

namespace k42::personality {

constexpr std::uint32_t OpenFlagsFromLinux(std::uint32_t flags) {
  struct Pair {
    std::uint32_t linux_flag, flag;
  };
  constexpr Pair kPairs[] = {
      {kO_CREAT, fs::kOpenCreate},
      {kO_EXCL, fs::kOpenExclusive},
      {kO_TRUNC, fs::kOpenTruncate},
      {kO_APPEND, fs::kOpenAppend},
      {kO_DIRECTORY, fs::kOpenDirectory},
      {kO_NOFOLLOW, fs::kOpenNoFollow},
      {kO_PATH, fs::kOpenPathOnly},
      {kO_NONBLOCK, fs::kOpenNonBlocking},
      {kO_DSYNC, fs::kOpenSync},
      {kO_NOATIME, fs::kOpenNoAccessTime},
      {kO_NOCTTY, fs::kOpenNoControllingTerminal},
      {kO_ASYNC, fs::kOpenAsync},
  };
  std::uint32_t result = 0;
  for (const Pair& pair : kPairs) {
    if (flags & pair.linux_flag) {
      result |= pair.flag;
    }
  }
  if (flags & kO_PATH) {
    return result & (fs::kOpenPathOnly | fs::kOpenDirectory | fs::kOpenNoFollow);
  }
  const std::uint32_t access = flags & kO_ACCMODE;
  if (access == kO_RDONLY || access == kO_RDWR) {
    result |= fs::kOpenRead;
  }
  if (access == kO_WRONLY || access == kO_RDWR) {
    result |= fs::kOpenWrite;
  }
  return result;
}

// The changeable flags only, for SetFlags.
constexpr std::uint32_t ChangeableFromLinux(std::uint32_t flags) {
  return OpenFlagsFromLinux(flags & (kSetFlagsMask & ~kO_DIRECT)) & fs::kOpenChangeable;
}

}  // namespace k42::personality
