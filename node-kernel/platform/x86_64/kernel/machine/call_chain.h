// Call chains as addresses: taken cheaply, kept, and named later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace k42::machine {

// The return addresses on this CPU's stack, innermost first, without the first `skip` (0: the first
// is where the caller of CaptureCallChain is); how many were found. Any context.
std::size_t CaptureCallChain(std::span<std::uint64_t> chain, std::size_t skip);

struct CodePlace {
  std::string_view name;  // of the function, "?" if unknown
  std::uint64_t offset;   // in it
};
// Of a return address: where the call was.
CodePlace PlaceOfCall(std::uint64_t return_address);

}  // namespace k42::machine
