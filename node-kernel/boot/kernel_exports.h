// The kernel's export list and build id, as the build put them into the image.
#pragma once

#include <cstdint>
#include <span>

#include "cobj/module_image.h"

namespace k42::boot {

// What a module may import, by mangled name (exports.list, .cmake/embed_symbols.py).
class KernelExports final : public cobj::SymbolResolver {
 public:
  // kNotFound: not exported, whatever the kernel calls it.
  Result<std::uint64_t> Find(std::span<const char> name) override;
};

// GNU build id of the running image; empty if the link left none.
std::span<const std::uint8_t> KernelBuildId();

}  // namespace k42::boot
