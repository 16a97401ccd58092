// Clocks of CPU time: of a process, of a thread.
//
// A dynamic clock's number is a pid or tid, inverted, times eight, plus what it counts (two bits:
// all of it, user time, scheduled time) and whether it is a thread's (four).
#include "user/linux/abi_time.h"
#include "user/linux/clocks.h"
#include "user/linux/dispatcher.h"
#include "user/linux/kernel.h"
#include "user/linux/task.h"

namespace k42::personality {
namespace {

constexpr std::uint32_t kOfThread = 4, kScheduled = 2, kKinds = 3, kNumberShift = 3;

std::uint32_t Dynamic(std::int32_t number, std::uint32_t bits) {
  return ~static_cast<std::uint32_t>(number) << kNumberShift | bits;
}

}  // namespace

std::uint32_t ProcessCpuClock(std::int32_t pid) {
  return Dynamic(pid, kScheduled);
}

std::uint32_t CpuClockOf(const Thread& thread, std::uint32_t clock) {
  return clock == kClockProcessCpu  ? ProcessCpuClock(thread.task->pid)
         : clock == kClockThreadCpu ? Dynamic(thread.tid, kScheduled | kOfThread)
                                    : clock;
}

bool IsCpuClock(std::uint32_t clock) {
  return clock == kClockProcessCpu || clock == kClockThreadCpu ||
         static_cast<std::int32_t>(clock) < 0;
}

std::int64_t ReadCpuClock(std::uint32_t clock) {
  const std::uint32_t of = CpuClockOf(Self(), clock);
  const auto number = static_cast<std::int32_t>(~(static_cast<std::int32_t>(of) >> kNumberShift));
  if ((of & kKinds) == kKinds || number < 0) {
    return -1;
  }
  if ((of & kOfThread) != 0) {
    const Thread* thread = number == 0 ? &Self() : FindThread(number);
    return thread ? static_cast<std::int64_t>(Dispatcher::CpuNs(*thread)) : -1;
  }
  proc::TaskInfo info{};
  const Status status = kernel::GetTask(static_cast<std::uint32_t>(number), &info);
  return status == Status::kOk ? static_cast<std::int64_t>(info.user_ns + info.system_ns) : -1;
}

}  // namespace k42::personality
