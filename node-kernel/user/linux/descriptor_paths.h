// Names of descriptors: /dev/fd/N, /dev/stdin, /proc/self/fd/N, /proc/PID/fd/N, and the folder they
// are in. The kernel's /proc does not know descriptors, which live here; so these names are
// recognized before a path is given to the name space (PathArgument in call_support.h).
//
// Only as text: a link elsewhere that leads to such a name is not recognized.
#pragma once

#include <cstddef>
#include <cstdint>

namespace k42::personality {

struct DescriptorPath {
  enum class Form : std::uint8_t { kNone, kFolder, kEntry };
  static constexpr std::uint32_t kNoNumber = ~0u;  // an entry whose name is no number: none

  Form form = Form::kNone;
  // A link in /dev that stands for it (/dev/stdin, /dev/fd): itself a file of the name space, for
  // those who do not follow it.
  bool alias = false;
  // The path goes on behind the entry, at `rest` (which may be the end).
  bool goes_on = false;
  std::int32_t pid = 0;  // whose
  std::uint32_t fd = kNoNumber;
  std::size_t rest = 0;
};

// An absolute path. `self`: the process that asks.
DescriptorPath ParseDescriptorPath(const char* path, std::size_t size, std::int32_t self);
// A path relative to the folder of `pid`.
DescriptorPath ParseDescriptorEntry(const char* path, std::size_t size, std::int32_t pid);

}  // namespace k42::personality
