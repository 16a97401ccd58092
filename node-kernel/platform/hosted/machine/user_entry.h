// The syscall entry of a hosted test: there is none (machine/user_mode.h).
#pragma once

#include <cstdint>

#include "abi/dispatcher_page.h"

namespace k42::machine {

inline void StartUserEntry() {}
inline void SetUserEntry(abi::DispatcherPage*, std::uint64_t, std::uint64_t) {}
inline void SetUserGsBase(std::uint64_t) {}

}  // namespace k42::machine
