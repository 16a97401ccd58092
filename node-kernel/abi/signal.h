// Signals as the kernel knows them: 64 numbered events per task, some of which it sends or enforces
// itself. What the other numbers mean, and what a task does about any but kSignalKill and
// kSignalStop, is the personality's business (the numbers agree with Linux's to spare a table).
//
// Delivery: the kernel sets bit n-1 of the task's pending word, queues a SignalInfo when one was
// given (bounded, see kSignalQueueMax; numbers from kSignalFirstQueued on keep one entry per send,
// the others merge), mirrors the main task's word in DispatcherPage::signals_pending and raises
// kEventSignal. User space takes signals one by one with Process.TakeSignal.
#pragma once

#include <cstdint>

namespace k42::abi {

inline constexpr std::uint32_t kSignalMax = 64;
inline constexpr std::uint32_t kSignalFirstQueued = 32;  // from here on, each send counts
inline constexpr std::uint32_t kSignalQueueMax = 64;     // entries per task, and per sender half

enum SignalNumber : std::uint32_t {
  kSignalHangup = 1,
  kSignalInterrupt = 2,
  kSignalQuit = 3,
  kSignalKill = 9,  // enforced: ends the process, whatever it does
  kSignalPipe = 13,
  kSignalAlarm = 14,
  kSignalTerminate = 15,
  kSignalChild = 17,
  kSignalContinue = 18,  // enforced: resumes a stopped process, then is delivered
  kSignalStop = 19,      // enforced: stops the process
  kSignalTerminalStop = 20,
  kSignalTerminalInput = 21,
  kSignalTerminalOutput = 22,
  kSignalUrgent = 23,
  kSignalCpuLimit = 24,
  kSignalWindowChanged = 28,
};

constexpr std::uint64_t SignalBit(std::uint32_t number) {
  return std::uint64_t{1} << (number - 1);
}

}  // namespace k42::abi
