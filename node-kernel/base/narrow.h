// A word of a call that must hold a value of a smaller type.
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/result.h"

namespace k42 {

// Exactly a T: upper bits zero, or copies of the sign.
template <typename T>
constexpr Result<T> Narrow(std::uint64_t word) {
  if constexpr (std::is_same_v<T, bool>) {
    if (word > 1)
      return Status::kInvalidArgument;
    return word == 1;
  } else {
    using Wide = std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>;
    const T value = static_cast<T>(word);
    if (static_cast<std::uint64_t>(static_cast<Wide>(value)) != word)
      return Status::kInvalidArgument;
    return value;
  }
}

}  // namespace k42
