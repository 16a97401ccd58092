// Clocks and timers as Linux x86-64 numbers and lays them out.
#pragma once

#include <cstdint>

#include "user/linux/abi_files.h"

namespace k42::personality {

// ClockNumber.
inline constexpr std::uint32_t kClockRealtime = 0, kClockMonotonic = 1, kClockProcessCpu = 2,
                               kClockThreadCpu = 3, kClockMonotonicRaw = 4,
                               kClockRealtimeCoarse = 5, kClockMonotonicCoarse = 6,
                               kClockBoottime = 7, kClockRealtimeAlarm = 8, kClockBoottimeAlarm = 9,
                               kClockTai = 11;
inline constexpr std::uint32_t kTimerAbsolute = 1;

struct LinuxITimerSpec {
  LinuxTimespec interval, value;
};
struct LinuxITimerVal {
  LinuxTimeval interval, value;
};
struct LinuxSigEvent {
  std::uint64_t value;
  std::int32_t signal, notify, thread;
  std::int32_t pad[11];
};
static_assert(sizeof(LinuxSigEvent) == 64);
// SigEventNotify.
inline constexpr std::int32_t kNotifySignal = 0, kNotifyNone = 1, kNotifyThread = 2,
                              kNotifyThreadId = 4;

// What adjtimex asks and answers.
struct LinuxTimex {
  std::uint32_t modes, pad0;
  std::int64_t offset, frequency, most_error, expected_error;
  std::int32_t status, pad1;
  std::int64_t constant, precision, tolerance;
  LinuxTimeval time;
  std::int64_t tick, pulses[2];
  std::int32_t shift, pad2;
  std::int64_t pulse_counts[5];
  std::int32_t tai, pad3[11];
};
static_assert(sizeof(LinuxTimex) == 208);

}  // namespace k42::personality
