// Calibration of the clocks. Users: machine/clock.h.
#pragma once

#include <cstdint>

namespace k42::machine {

// First instruction of the boot: time 0.
void StampBootTime();

// Takes the first sample of TSC, reference timer and LAPIC timer. The longer the time until
// FinishCalibration, the better the result; boot does other work meanwhile.
void BeginCalibration(std::uint32_t pm_timer_port);
void FinishCalibration();

// LAPIC timer ticks for a wait of `ns`, at least 1, at most what the counter holds.
std::uint32_t LapicTicks(std::uint64_t ns);

}  // namespace k42::machine
