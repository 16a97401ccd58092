// A SHA-256 value: of an interface (idl/), a module, a file.
#pragma once

#include <cstdint>

namespace k42 {

struct Digest {
  std::uint8_t bytes[32];

  constexpr bool operator==(const Digest& other) const = default;
  // The first eight bytes, for logs and table lookups; equality is decided on all 32.
  constexpr std::uint64_t Short() const {
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | bytes[i];
    return value;
  }
};

}  // namespace k42
