// A UCX worker's address as the store keeps it: hexadecimal, with a checksum behind it. UCX takes
// an address as it is given, and a damaged one ends the process: nothing but a whole one is handed
// on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace k42::interconnect {

inline constexpr std::size_t kMaxUcxAddress = 4096;

std::string PrintUcxAddress(std::span<const std::uint8_t> address);
// Empty if `text` is none.
std::vector<std::uint8_t> ParseUcxAddress(std::string_view text);

}  // namespace k42::interconnect
