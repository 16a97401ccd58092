// Arithmetic on numbers from outside: overflow is an answer (kOutOfRange), never a wrap.
#pragma once

#include <concepts>
#include <type_traits>

#include "base/result.h"

namespace k42 {

template <std::integral T>
constexpr Result<T> CheckedAdd(T a, std::type_identity_t<T> b) {
  T sum{};
  if (__builtin_add_overflow(a, b, &sum)) {
    return Status::kOutOfRange;
  }
  return sum;
}

template <std::integral T>
constexpr Result<T> CheckedSubtract(T a, std::type_identity_t<T> b) {
  T difference{};
  if (__builtin_sub_overflow(a, b, &difference)) {
    return Status::kOutOfRange;
  }
  return difference;
}

template <std::integral T>
constexpr Result<T> CheckedMultiply(T a, std::type_identity_t<T> b) {
  T product{};
  if (__builtin_mul_overflow(a, b, &product)) {
    return Status::kOutOfRange;
  }
  return product;
}

// Precondition: `to` is a power of two.
template <std::unsigned_integral T>
constexpr Result<T> CheckedAlignUp(T value, std::type_identity_t<T> to) {
  T sum{};
  if (__builtin_add_overflow(value, static_cast<T>(to - 1), &sum)) {
    return Status::kOutOfRange;
  }
  return static_cast<T>(sum & ~static_cast<T>(to - 1));
}

// True if [start, start + size) does not wrap and lies within [low, high).
template <std::unsigned_integral T>
constexpr bool IsRangeWithin(T start, std::type_identity_t<T> size, std::type_identity_t<T> low,
                             std::type_identity_t<T> high) {
  return start >= low && start <= high && size <= high - start;
}

}  // namespace k42
