// K42_ASSERT(condition, "why it must hold"): always checked; a failure is a panic with file, line
// and backtrace. K42_DCHECK: the same in builds without NDEBUG only, for checks on hot paths.
// Macros, because the text of the condition is part of the message.
#pragma once

namespace k42 {

#if defined(NDEBUG)
inline constexpr bool kDebugChecks = false;
#else
inline constexpr bool kDebugChecks = true;
#endif

namespace detail {
// Supplied by the platform.
[[noreturn]] void AssertFailed(const char* condition, const char* why, const char* file, int line);
}  // namespace detail

}  // namespace k42

#define K42_ASSERT(condition, why)                                        \
  do {                                                                    \
    if (!(condition)) [[unlikely]]                                        \
      ::k42::detail::AssertFailed(#condition, (why), __FILE__, __LINE__); \
  } while (false)

#define K42_DCHECK(condition, why)       \
  do {                                   \
    if constexpr (::k42::kDebugChecks) { \
      K42_ASSERT(condition, why);        \
    }                                    \
  } while (false)
