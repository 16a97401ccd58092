// Call chains of host threads. Interface: platform/x86_64/kernel/machine/call_chain.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace k42::machine {

std::size_t CaptureCallChain(std::span<std::uint64_t> chain, std::size_t skip);

struct CodePlace {
  std::string_view name;  // valid for good
  std::uint64_t offset;
};
CodePlace PlaceOfCall(std::uint64_t return_address);

}  // namespace k42::machine
