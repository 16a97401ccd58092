// LoadOnce: reads a word that another party may change at any moment, exactly once.
//
// For plain fields in memory shared with somebody we do not rely on (the arena, a dispatcher page):
// the compiler may otherwise load again after the check and use a value nobody has checked.
#pragma once

#include <type_traits>

namespace k42 {

template <typename T>
inline T LoadOnce(const T& shared) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8, "one load only");
  return *const_cast<const volatile T*>(&shared);
}

}  // namespace k42
