// The clocks of linux-vdso.so.1. Runs as program code, on the program's stack.
#include "abi/time_page.h"
#include "machine/cycle_count.h"
#include "user/linux/abi_time.h"

namespace k42::vdso {

using personality::LinuxTimespec;
using personality::LinuxTimeval;

// Not in the unnamed namespace: functions with such parameters would not be exported.
struct Timezone {
  std::int32_t minutes_west, daylight_saving;
};

namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

enum SystemCallNumber : std::int64_t { kClockGetTime = 228, kClockGetRes = 229 };

std::int64_t SystemCall(std::int64_t number, std::int64_t first, void* second) {
  std::int64_t result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(first), "S"(second)
               : "rcx", "r11", "memory");
  return result;
}

abi::ClockReading Now() {
  return abi::ReadTimePage(abi::OwnTimePage(), machine::CycleCount);
}

int Put(std::int64_t ns, LinuxTimespec* result) {
  result->seconds = ns / kNsPerSecond;
  result->nanoseconds = ns % kNsPerSecond;
  return 0;
}

}  // namespace

// Answers 0 or a negated error number, as the system calls do.
extern "C" int ClockGetTime(std::int32_t clock, LinuxTimespec* result) asm("__vdso_clock_gettime");
extern "C" int ClockGetRes(std::int32_t clock, LinuxTimespec* result) asm("__vdso_clock_getres");
extern "C" int GetTimeOfDay(LinuxTimeval* time, Timezone* zone) asm("__vdso_gettimeofday");
extern "C" std::int64_t Time(std::int64_t* result) asm("__vdso_time");

int ClockGetTime(std::int32_t clock, LinuxTimespec* result) {
  switch (static_cast<std::uint32_t>(clock)) {
    case personality::kClockRealtime:
    case personality::kClockRealtimeCoarse:
    case personality::kClockTai:
      return Put(Now().realtime_ns(), result);
    case personality::kClockMonotonic:
    case personality::kClockMonotonicRaw:
    case personality::kClockMonotonicCoarse:
    case personality::kClockBoottime:
      return Put(static_cast<std::int64_t>(Now().monotonic_ns), result);
    default:
      return static_cast<int>(SystemCall(kClockGetTime, clock, result));
  }
}

int ClockGetRes(std::int32_t clock, LinuxTimespec* result) {
  return static_cast<int>(SystemCall(kClockGetRes, clock, result));
}

int GetTimeOfDay(LinuxTimeval* time, Timezone* zone) {
  if (time != nullptr) {
    const std::int64_t now = Now().realtime_ns();
    *time = {now / kNsPerSecond, now % kNsPerSecond / 1000};
  }
  if (zone != nullptr)
    *zone = {};
  return 0;
}

std::int64_t Time(std::int64_t* result) {
  const std::int64_t seconds = Now().realtime_ns() / kNsPerSecond;
  if (result != nullptr)
    *result = seconds;
  return seconds;
}

}  // namespace k42::vdso
