// GlobalId: names one object of the cluster, for ever. Home node, the home's incarnation, and a
// slot of the home's export table with its generation, so that neither a restarted home nor a
// reused slot is mistaken for the object.
#pragma once

#include <cstdint>

namespace k42::global {

struct GlobalId {
  std::uint64_t word[2] = {0, 0};

  static constexpr GlobalId Make(std::uint32_t home, std::uint64_t incarnation, std::uint32_t slot,
                                 std::uint32_t generation) {
    return {{std::uint64_t{home} << 48 | std::uint64_t{slot & 0xff'ffff} << 24 |
                 (generation & 0xff'ffff),
             incarnation}};
  }
  constexpr std::uint32_t home() const { return static_cast<std::uint32_t>(word[0] >> 48); }
  constexpr std::uint32_t slot() const {
    return static_cast<std::uint32_t>(word[0] >> 24) & 0xff'ffff;
  }
  constexpr std::uint32_t generation() const {
    return static_cast<std::uint32_t>(word[0]) & 0xff'ffff;
  }
  constexpr std::uint64_t incarnation() const { return word[1]; }
  constexpr bool operator==(const GlobalId&) const = default;
};

}  // namespace k42::global
