#include "clock.h"

#include "base/assert.h"
#include "instructions.h"
#include "lapic.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/log.h"

namespace k42::machine {
namespace {

constexpr std::uint32_t kShift = 24;
constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::uint64_t kPmTimerHz = 3'579'545;
constexpr std::uint32_t kPmTimerMask = 0xff'ffff;
constexpr std::uint32_t kCalibrationTicks = kPmTimerHz / 250;  // 4 ms: 1 us of error is 0.03 %
constexpr std::uint64_t kAssumedTscHz = 2 * kNsPerSecond;      // until calibrated: log stamps only

struct Sample {
  std::uint64_t tsc;
  std::uint32_t pm;
  std::uint32_t lapic;
};

// Written by the boot CPU before others start.
constinit ClockParameters clock = {(kNsPerSecond << kShift) / kAssumedTscHz, kShift, 0, 0};
constinit std::uint64_t lapic_per_ns = 1 << kShift;  // scaled by 2^kShift
constinit std::uint64_t boot_realtime_ns = 0;
constinit std::uint32_t pm_port = 0;
constinit Sample first = {};

// Reading the port may be interrupted by the host for long: keep the tightest of some tries.
Sample TakeSample() {
  Sample best = {};
  std::uint64_t best_span = ~0ull;
  for (int i = 0; i < 8; ++i) {
    const std::uint64_t before = CycleCount();
    const std::uint32_t pm = InLong(pm_port) & kPmTimerMask;
    const std::uint32_t lapic = ReadLapicTimer();
    const std::uint64_t after = CycleCount();
    if (after - before < best_span) {
      best_span = after - before;
      best = {before + (after - before) / 2, pm, lapic};
    }
  }
  return best;
}

std::uint8_t ReadCmos(std::uint8_t index) {
  OutByte(0x70, index);
  const std::uint8_t value = InByte(0x71);
  return static_cast<std::uint8_t>((value >> 4) * 10 + (value & 15));  // BCD, QEMU's default
}

std::uint64_t DaysSince1970(std::uint64_t year, std::uint64_t month, std::uint64_t day) {
  // March is month 0, so that the leap day ends the year.
  year -= month <= 2 ? 1 : 0;
  month = (month + 9) % 12;
  const std::uint64_t days =
      year * 365 + year / 4 - year / 100 + year / 400 + (month * 306 + 5) / 10 + (day - 1);
  return days - 719'468;
}

// Nanoseconds since 1970 when MonotonicNs() was 0, as far as whole seconds of the machine's clock
// tell. Each of its registers takes two ports: an exit to the host where there is one.
std::uint64_t ReadRealtimeClock() {
  std::uint8_t second;
  std::uint64_t seconds;
  do {  // a carry between two fields would be far off
    second = ReadCmos(0);
    const std::uint64_t days = DaysSince1970(2000 + ReadCmos(9), ReadCmos(8), ReadCmos(7));
    seconds = ((days * 24 + ReadCmos(4)) * 60 + ReadCmos(2)) * 60 + second;
  } while (second != ReadCmos(0));
  return seconds * kNsPerSecond - MonotonicNs();
}

}  // namespace

void StampBootTime() {
  clock.base_tsc = CycleCount();
}

void BeginCalibration(std::uint32_t pm_timer_port) {
  K42_ASSERT(pm_timer_port != 0, "no ACPI power-management timer to calibrate by");
  pm_port = pm_timer_port;
  SetLapicTimer(~0u);
  first = TakeSample();
}

void FinishCalibration() {
  while (((InLong(pm_port) - first.pm) & kPmTimerMask) < kCalibrationTicks) {
    Pause();
  }
  const Sample last = TakeSample();
  SetLapicTimer(0);
  const std::uint64_t pm = (last.pm - first.pm) & kPmTimerMask;
  const std::uint64_t ns = pm * kNsPerSecond / kPmTimerHz;
  clock.mult = (ns << kShift) / (last.tsc - first.tsc);
  lapic_per_ns = (std::uint64_t{first.lapic - last.lapic} << kShift) / ns;
  K42_ASSERT(clock.mult != 0 && lapic_per_ns != 0, "a clock stands still");
  boot_realtime_ns = ReadRealtimeClock();
  Log("clock: TSC {} MHz, LAPIC timer {} MHz", (1000ull << kShift) / clock.mult,
      lapic_per_ns * 1000 >> kShift);
}

std::uint64_t MonotonicNs() {
  using Wide = unsigned __int128;
  return static_cast<std::uint64_t>(Wide{CycleCount() - clock.base_tsc} * clock.mult >> kShift) +
         clock.base_ns;
}

ClockParameters GetClockParameters() {
  return clock;
}

std::uint32_t LapicTicks(std::uint64_t ns) {
  constexpr std::uint64_t kLongest = kNsPerSecond;  // re-armed then; keeps the product in 64 bits
  const std::uint64_t ticks = (ns < kLongest ? ns : kLongest) * lapic_per_ns >> kShift;
  return ticks == 0 ? 1 : ticks > 0xffff'ffff ? 0xffff'ffff : static_cast<std::uint32_t>(ticks);
}

std::uint64_t BootRealtimeNs() {
  return boot_realtime_ns;
}

}  // namespace k42::machine
