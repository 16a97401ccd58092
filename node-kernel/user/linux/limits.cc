#include "user/linux/limits.h"

#include "user/linux/fd_table.h"
#include "user/linux/file_slots.h"
#include "user/linux/task.h"

namespace k42::personality {

void ObeyLimits() {
  constexpr std::uint64_t kFilesMost = 1u << 20;
  for (Task* task = Tasks().first(); task; task = Tasks().Next(task)) {
    const auto number = static_cast<std::uint32_t>(task->pid);
    proc::Limit limit{};
    if (kernel::GetLimit(number, proc::LimitKind::kHandles, &limit) == Status::kOk) {
      task->files->limit =
          static_cast<std::uint32_t>(limit.soft < kFilesMost ? limit.soft : kFilesMost);
    }
    if (task->main && kernel::GetLimit(number, proc::LimitKind::kFileSize, &limit) == Status::kOk) {
      LimitFileSize(limit.soft);
    }
    const CpuLimit& cpu = task->cpu_limit;
    if (kernel::GetLimit(number, proc::LimitKind::kCpuSeconds, &limit) == Status::kOk &&
        (limit.soft != cpu.soft_seconds || limit.hard != cpu.hard_seconds)) {
      LimitCpu(*task, {limit.soft, limit.hard});
    }
  }
}

}  // namespace k42::personality
