// JobControl over the node's task table.
#pragma once

#include "io/job_control.h"
#include "proc/task_table.h"

namespace k42::io {

class TaskJobControl final : public JobControl {
 public:
  explicit TaskJobControl(proc::TaskTable& tasks) : tasks_(tasks) {}

  Status Find(const cobj::CallContext& caller, Place* place) override;
  void SignalGroup(std::uint32_t group, std::uint32_t signal) override;
  bool IsOrphaned(std::uint32_t group) override { return tasks_.IsOrphaned(group); }
  Status SetTerminal(const Place& caller, std::uint64_t terminal) override {
    return tasks_.SetTerminal(caller.task, terminal);
  }
  Status SetForeground(const Place& caller, std::uint32_t group) override {
    return tasks_.SetForeground(caller.task, group);
  }

 private:
  proc::TaskTable& tasks_;
};

}  // namespace k42::io
