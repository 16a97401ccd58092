// What the kernel accepts as a user state to resume: it must not be able to fault, or to gain
// privilege, on the way to user space.
#pragma once

#include <cstdint>

#include "abi/dispatcher_page.h"

namespace k42::sched {

constexpr bool IsUserAddress(std::uint64_t address) {
  return address < abi::kUserLimit;
}

// Carry, parity, adjust, zero, sign, trap, direction, overflow, alignment check, identification.
inline constexpr std::uint64_t kUserFlags =
    0x1 | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x800 | 0x4'0000 | 0x20'0000;
inline constexpr std::uint64_t kFixedFlags = 0x2 | 0x200;  // always one; interrupts on

// Masks the flags; false if the state cannot be resumed.
constexpr bool Validate(abi::UserState& state) {
  state.rflags = (state.rflags & kUserFlags) | kFixedFlags;
  return IsUserAddress(state.rip) && IsUserAddress(state.fs_base);
}

}  // namespace k42::sched
