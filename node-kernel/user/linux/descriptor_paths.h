// Names of descriptors: /dev/fd/N, /dev/stdin, /proc/self/fd/N, /proc/PID/fd/N. The
// kernel's /proc does not know descriptors, which live here; so these names are recognized before a
// path is given to the name space. Other processes' descriptors cannot be named.
#pragma once

#include <cstddef>
#include <cstdint>

namespace k42::personality {

struct NamedDescriptor {
  std::int64_t fd;   // -1: the path names none
  std::int32_t pid;  // whose
};
// `self`: the process that asks.
NamedDescriptor DescriptorNamed(const char* path, std::size_t size, std::int32_t self);

}  // namespace k42::personality
