// Powers of two: rounding, tests, logarithms. All constexpr, all on unsigned integers.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace k42 {

template <std::unsigned_integral T>
constexpr bool IsPowerOfTwo(T value) {
  return value != 0 && (value & (value - 1)) == 0;
}

// std::popcount without a library function behind it (the kernel has no libgcc).
constexpr std::uint32_t CountBits(std::uint64_t word) {
  word -= word >> 1 & 0x5555'5555'5555'5555;
  word = (word & 0x3333'3333'3333'3333) + (word >> 2 & 0x3333'3333'3333'3333);
  word = (word + (word >> 4)) & 0x0f0f'0f0f'0f0f'0f0f;
  return static_cast<std::uint32_t>(word * 0x0101'0101'0101'0101 >> 56);
}

// Precondition of the next three: `to` is a power of two. AlignUp wraps to 0 at the top of T; use
// CheckedAlignUp (base/checked.h) for numbers that come from outside.
template <std::unsigned_integral T>
constexpr T AlignDown(T value, std::type_identity_t<T> to) {
  return value & ~static_cast<T>(to - 1);
}
template <std::unsigned_integral T>
constexpr T AlignUp(T value, std::type_identity_t<T> to) {
  return AlignDown(static_cast<T>(value + (to - 1)), to);
}
template <std::unsigned_integral T>
constexpr bool IsAligned(T value, std::type_identity_t<T> to) {
  return (value & (to - 1)) == 0;
}

template <std::unsigned_integral T>
constexpr T DivideUp(T value, std::type_identity_t<T> by) {
  return static_cast<T>(value / by + (value % by != 0));
}

// Floor and ceiling of the binary logarithm. Precondition: value > 0.
template <std::unsigned_integral T>
constexpr unsigned Log2Floor(T value) {
  return static_cast<unsigned>(std::bit_width(value)) - 1;
}
template <std::unsigned_integral T>
constexpr unsigned Log2Ceiling(T value) {
  return value <= 1 ? 0 : Log2Floor(static_cast<T>(value - 1)) + 1;
}

}  // namespace k42
