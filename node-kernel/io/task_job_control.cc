#include "io/task_job_control.h"

namespace k42::io {

Status TaskJobControl::Find(const cobj::CallContext& caller, Place* place) {
  *place = {};
  if (caller.from_kernel()) {
    return Status::kOk;
  }
  const auto task = static_cast<std::uint32_t>(caller.process_id);
  proc::TaskInfo info{};
  TRY(tasks_.GetInfo(task, 0, &info));
  *place = {task, info.group, info.session, info.terminal};
  return Status::kOk;
}

void TaskJobControl::SignalGroup(std::uint32_t group, std::uint32_t signal) {
  proc::SignalInfo info{};
  info.signal = signal;
  info.code = 128;  // from the kernel
  tasks_.KillGroup(group, info);
}

}  // namespace k42::io
