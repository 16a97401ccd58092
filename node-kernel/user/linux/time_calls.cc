// Clocks and sleeping.
#include "user/linux/abi_time.h"
#include "user/linux/abi_usage.h"
#include "user/linux/call_support.h"
#include "user/linux/clocks.h"
#include "user/linux/dispatcher.h"

namespace k42::personality {

std::int64_t ReadClock(std::uint32_t clock) {
  switch (clock) {
    case kClockRealtime:
    case kClockRealtimeCoarse:
    case kClockRealtimeAlarm:
    case kClockTai:
      return kernel::RealtimeNs();
    case kClockMonotonic:
    case kClockMonotonicRaw:
    case kClockMonotonicCoarse:
    case kClockBoottime:
    case kClockBoottimeAlarm:
      return static_cast<std::int64_t>(kernel::MonotonicNs());
    default:
      return IsCpuClock(clock) ? ReadCpuClock(clock) : -1;
  }
}

std::uint64_t MonotonicFor(std::uint32_t clock, std::int64_t ns) {
  switch (clock) {
    case kClockRealtime:
    case kClockRealtimeAlarm:
    case kClockTai: {
      const std::int64_t offset =
          kernel::RealtimeNs() - static_cast<std::int64_t>(kernel::MonotonicNs());
      return ns > offset ? static_cast<std::uint64_t>(ns - offset) : 1;
    }
    case kClockMonotonic:
    case kClockBoottime:
    case kClockBoottimeAlarm:
      return ns > 0 ? static_cast<std::uint64_t>(ns) : 1;
    default:
      return 0;
  }
}

namespace calls {
namespace {

// Sleeps until the deadline. `remaining`: where the rest goes if a signal ends the sleep.
std::int64_t SleepUntil(std::uint64_t deadline_ns, std::uint64_t remaining) {
  for (;;) {
    const Wake wake = Here().Block(deadline_ns, true);
    if (wake == Wake::kTimeout) {
      return 0;
    }
    if (wake == Wake::kSignal) {
      const std::uint64_t now = kernel::MonotonicNs();
      const std::int64_t rest =
          deadline_ns > now ? static_cast<std::int64_t>(deadline_ns - now) : 0;
      return remaining == 0 || WriteUser(remaining, ToTimespec(rest)) ? -kERESTARTNOHAND : -kEFAULT;
    }
  }
}

}  // namespace

Reply ClockGetTime(Thread&, U32 clock, Address result) {
  const std::int64_t now = ReadClock(clock);
  if (now < 0) {
    return -kEINVAL;
  }
  return WriteUser(result, ToTimespec(now)) ? 0 : -kEFAULT;
}
Reply ClockGetRes(Thread&, U32 clock, Address result) {
  if (ReadClock(clock) < 0) {
    return -kEINVAL;
  }
  const bool coarse = clock == kClockRealtimeCoarse || clock == kClockMonotonicCoarse;
  const LinuxTimespec resolution{0, coarse ? 4'000'000 : 1};
  return result == 0 || WriteUser(result, resolution) ? 0 : -kEFAULT;
}
// The node's clock is its host's. What Linux checks first is checked first.
Reply ClockSetTime(Thread&, U32 clock, Address address) {
  std::int64_t ns = 0;
  if (clock != kClockRealtime) {
    return -kEINVAL;
  }
  const std::int64_t error = ReadTimespec(address, &ns);
  return error != 0 ? error : -kEPERM;
}

Reply ClockNanoSleep(Thread& thread, U32 clock, U32 flags, Address request, Address remaining) {
  TimeLimit limit(thread);
  std::int64_t ns = 0;
  if (const std::int64_t error = ReadTimespec(request, &ns)) {
    return error;
  }
  if (flags & kTimerAbsolute) {
    const std::uint64_t deadline = MonotonicFor(clock, ns);
    return deadline == 0 ? -kEOPNOTSUPP : SleepUntil(deadline, 0);
  }
  if (MonotonicFor(clock, 1) == 0) {
    return ReadClock(clock) < 0 ? -kEINVAL : -kEOPNOTSUPP;
  }
  return limit.Keep(SleepUntil(limit.After(ns), remaining));
}
Reply NanoSleep(Thread& thread, Address request, Address remaining) {
  return ClockNanoSleep(thread, kClockMonotonic, 0, request, remaining);
}

Reply AdjustTime(Thread& thread, Address address) {
  return ClockAdjust(thread, kClockRealtime, address);
}
// The clock runs as the host's: it can be asked, not steered.
Reply ClockAdjust(Thread&, U32 clock, Address address) {
  constexpr U32 kReadOffset = 0xa001;
  constexpr I32 kNotSynchronized = 0x40;
  constexpr Reply kStateError = 5;
  LinuxTimex timex{};
  if (ReadClock(clock) < 0) {
    return -kEINVAL;
  }
  if (clock != kClockRealtime) {
    return -kEOPNOTSUPP;
  }
  if (!ReadUser(&timex, address)) {
    return -kEFAULT;
  }
  if (timex.modes != 0 && timex.modes != kReadOffset) {
    return -kEPERM;
  }
  const U32 modes = timex.modes;
  timex = {};
  timex.modes = modes;
  timex.most_error = timex.expected_error = 16'000'000;  // microseconds: it is not known
  timex.status = kNotSynchronized;
  timex.constant = 2;
  timex.precision = 1;
  timex.tolerance = 32'768'000;
  timex.tick = 10'000;
  const std::int64_t now = kernel::RealtimeNs();
  timex.time = {now / kNsPerSecond, now % kNsPerSecond / 1000};
  return WriteUser(address, timex) ? kStateError : -kEFAULT;
}

Reply GetTimeOfDay(Thread&, Address time, Address zone) {
  const std::int64_t now = kernel::RealtimeNs();
  const LinuxTimeval value{now / kNsPerSecond, now % kNsPerSecond / 1000};
  const I32 no_zone[2] = {0, 0};
  return (time == 0 || WriteUser(time, value)) && (zone == 0 || WriteUser(zone, no_zone))
             ? 0
             : -kEFAULT;
}
Reply Time(Thread&, Address result) {
  const std::int64_t seconds = kernel::RealtimeNs() / kNsPerSecond;
  return result == 0 || WriteUser(result, seconds) ? seconds : -kEFAULT;
}
Reply Times(Thread&, Address result) {
  constexpr std::uint64_t kTickNs = 10'000'000;
  proc::TaskInfo info{};
  (void)kernel::GetTask(0, &info);
  const std::uint64_t times[4] = {info.user_ns / kTickNs, info.system_ns / kTickNs,
                                  info.children_user_ns / kTickNs,
                                  info.children_system_ns / kTickNs};
  if (result != 0 && !WriteUser(result, times)) {
    return -kEFAULT;
  }
  return static_cast<Reply>(kernel::MonotonicNs() / kTickNs);
}

}  // namespace calls
}  // namespace k42::personality
