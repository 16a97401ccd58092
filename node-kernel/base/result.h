// Result<T>: a value or a Status, without exceptions.
//
// Layout is part of the contract: two words, the status first. A Result<T> of a trivially copyable
// T of at most 8 bytes is returned in RAX:RDX, and the error sits in the same bits for every T, so
// that code which does not know T (a miss handler, a mediator, a stub) can return an error.
#pragma once

#include <type_traits>
#include <utility>

#include "base/status.h"

namespace k42 {

template <typename T>
class [[nodiscard]] Result {
  static_assert(!std::is_same_v<T, Status>, "return Status itself");
  static_assert(std::is_trivially_copyable_v<T>, "results cross address spaces and nodes");

 public:
  using ValueType = T;

  // Implicit, so that `return value;` and `return Status::kNotFound;` both read naturally.
  constexpr Result(T value) : status_(Status::kOk), value_(value) {}  // NOLINT
  constexpr Result(Status error) : status_(error), value_{} {}        // NOLINT

  constexpr bool ok() const { return status_ == Status::kOk; }
  constexpr Status status() const { return status_; }
  // Precondition: ok().
  constexpr const T& value() const { return value_; }
  constexpr T& value() { return value_; }
  constexpr T ValueOr(T fallback) const { return ok() ? value_ : fallback; }

 private:
  Status status_;
  T value_;
};

namespace detail {
constexpr Status StatusOf(Status status) {
  return status;
}
template <typename T>
constexpr Status StatusOf(const Result<T>& result) {
  return result.status();
}
constexpr void TakeValue(Status) {}
template <typename T>
constexpr T TakeValue(const Result<T>& result) {
  return result.value();
}
}  // namespace detail

}  // namespace k42

// TRY(expression): the value of a Result<T> (or nothing for a Status); an error returns from the
// enclosing function with that status. A statement expression: both our compilers have it.
#define TRY(...)                                                    \
  ({                                                                \
    auto&& try_result_ = (__VA_ARGS__);                             \
    if (::k42::detail::StatusOf(try_result_) != ::k42::Status::kOk) \
      return ::k42::detail::StatusOf(try_result_);                  \
    ::k42::detail::TakeValue(try_result_);                          \
  })
