// Rights: what a handle allows its holder. An interface file says per method what is needed
// ([rights(read)]); idl/model.py holds the same table.
#pragma once

#include <cstdint>

namespace k42 {

enum Right : std::uint32_t {
  kRightRead = 1u << 0,
  kRightWrite = 1u << 1,
  kRightExecute = 1u << 2,
  kRightMap = 1u << 3,
  kRightControl = 1u << 4,  // change the object's attributes or state
  kRightSignal = 1u << 5,   // make something happen to the object: kill, wake, post
  kRightGrant = 1u << 6,    // pass the handle on
};
inline constexpr std::uint32_t kAllRights = 0x7f;
inline constexpr std::uint32_t kNoRights = 0;

}  // namespace k42
