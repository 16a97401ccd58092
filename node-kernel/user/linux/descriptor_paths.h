// Names of one's own descriptors: /dev/fd/N, /dev/stdin, /proc/self/fd/N, /proc/PID/fd/N. The
// kernel's /proc does not know descriptors, which live here; so these names are recognized before a
// path is given to the name space. Other processes' descriptors cannot be named.
#pragma once

#include <cstddef>
#include <cstdint>

namespace k42::personality {

// The descriptor that `path` names in the process `pid`; -1: it names none.
std::int64_t DescriptorNamed(const char* path, std::size_t size, std::int32_t pid);

}  // namespace k42::personality
