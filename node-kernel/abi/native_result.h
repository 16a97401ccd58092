// What a native call brings back, in RAX:RDX: the same two registers as a Result<T>.
#pragma once

#include <cstdint>

#include "base/status.h"

namespace k42::abi {

struct NativeResult {
  // From a Status alone, so that TRY works in functions that return one.
  constexpr NativeResult(Status error) : status(error), value(0) {}  // NOLINT
  constexpr NativeResult(Status status_, std::uint64_t value_) : status(status_), value(value_) {}

  Status status;
  std::uint64_t value;
};
static_assert(sizeof(NativeResult) == 16);

}  // namespace k42::abi
