// File times: nanoseconds of real time since 1970.
#pragma once

#include <cstdint>

#include "machine/clock.h"

namespace k42::fs {

inline std::int64_t RealtimeNs() {
  return static_cast<std::int64_t>(machine::BootRealtimeNs() + machine::MonotonicNs());
}

}  // namespace k42::fs
