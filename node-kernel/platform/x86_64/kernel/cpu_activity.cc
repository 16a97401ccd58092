#include "cpu_activity.h"

#include "backtrace.h"
#include "lock_waits.h"
#include "machine/cpu_area.h"
#include "machine/log.h"

namespace k42::machine {
namespace {

constexpr std::uint8_t kHaltInstruction = 0xf4;

bool Halts(const CpuPicture& picture) {
  const std::uint64_t before = picture.frame.rip - 1;
  return CanRead(before & ~7ull) &&
         *reinterpret_cast<const std::uint8_t*>(before) == kHaltInstruction;
}

}  // namespace

CpuActivity ActivityOf(CpuId cpu) {
  CpuActivity activity{PictureOf(cpu), AreaOf(cpu)->current, nullptr};
  if (activity.picture.number == 0) {
    activity.state = "has told nothing";
  } else if (activity.picture.frame.from_user()) {
    activity.state = "runs user code";
  } else if (detail::LockWaitedFor(cpu) != nullptr) {
    activity.state = "waits for a spin lock";
  } else if (Halts(activity.picture)) {
    activity.state = "halts, idle";
  } else {
    activity.state = activity.picture.interrupts_on() ? "runs" : "runs with interrupts off";
  }
  return activity;
}

void PrintActivity(CpuId cpu, const char* why, unsigned most) {
  const CpuActivity activity = ActivityOf(cpu);
  Log("CPU {}: {}{}{}, thread {} ({}), {} spin locks", cpu, why, *why != 0 ? ": " : "",
      activity.state, activity.thread != nullptr ? activity.thread->name() : "(none yet)",
      activity.thread != nullptr ? activity.thread->id() : 0, AreaOf(cpu)->spin_locks_held);
  const TrapFrame& frame = activity.picture.frame;
  if (activity.picture.number != 0 && !frame.from_user() && !Halts(activity.picture)) {
    PrintBacktrace(frame.rip, frame.rbp, most);
  } else if (const void* lock = detail::LockWaitedFor(cpu)) {
    Log("  the lock at {}", lock);
    PrintBacktrace(frame.rip, frame.rbp, most);
  }
}

}  // namespace k42::machine
