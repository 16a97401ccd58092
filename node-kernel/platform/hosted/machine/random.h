// Random numbers from the host.
#pragma once

#include <cstddef>
#include <cstdint>

namespace k42::machine {

void FillRandom(void* destination, std::size_t size);

inline std::uint64_t Random64() {
  std::uint64_t value;
  FillRandom(&value, sizeof(value));
  return value;
}

}  // namespace k42::machine
