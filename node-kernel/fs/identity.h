// Identity: who asks for a file operation, as far as permission goes. A copy of the kernel's own
// record of the calling task, never of anything user space said.
#pragma once

#include <cstdint>

#include "fs/file.types.h"

namespace k42::fs {

struct Identity {
  static constexpr std::uint32_t kMaxGroups = 64;

  std::uint32_t user = 0;
  std::uint32_t group = 0;
  std::uint32_t process = 0;  // number of the task, 0: the kernel
  std::uint32_t session = 0;
  std::uint32_t task_group = 0;
  std::uint32_t group_count = 0;
  std::uint64_t file_size_limit = ~std::uint64_t{0};
  std::uint32_t groups[kMaxGroups];  // the first group_count

  bool privileged() const { return user == 0; }
  bool InGroup(std::uint32_t wanted) const {
    if (group == wanted) {
      return true;
    }
    for (std::uint32_t i = 0; i < group_count; ++i) {
      if (groups[i] == wanted) {
        return true;
      }
    }
    return false;
  }
  static const Identity& Kernel();
};

// Owner and mode of a file, as one look at them.
struct Ownership {
  std::uint32_t mode = 0;
  std::uint32_t user = 0;
  std::uint32_t group = 0;
};

// `access`: kAccessRead | kAccessWrite | kAccessExecute, all of which are wanted. User 0 may do all
// but execute a regular file that nobody may execute.
bool Permits(const Identity& who, const Ownership& owned, FileKind kind, std::uint32_t access);

}  // namespace k42::fs
