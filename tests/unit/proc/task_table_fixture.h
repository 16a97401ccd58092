// A table of tasks whose processes are fakes.
#pragma once

#include <gtest/gtest.h>

#include "mem/heap.h"
#include "proc/task_table.h"
#include "support/node_fixture.h"

namespace k42::proc {

struct FakeHost final : TaskHost {
  void SignalsChanged(Task&) override { ++signals; }
  void IdentityChanged(Task& task) override {
    const Task* of = task.parent;
    parent = of == nullptr ? 0 : of->number;
    user = task.credential.user;
  }
  void StopRunning() override { ++stopped; }
  void ContinueRunning() override { --stopped; }
  void EndRunning(ExitKind kind, std::uint32_t code) override {
    ended = true;
    exit_kind = kind;
    exit_code = code;
  }
  bool is_ending() const override { return ended; }
  int signals = 0;
  std::uint32_t parent = 0;
  std::uint32_t user = ~0u;
  int stopped = 0;  // tasks
  bool ended = false;
  ExitKind exit_kind = ExitKind::kExited;
  std::uint32_t exit_code = 0;
};

inline WaitRequest Any(std::uint32_t flags = kWaitExited) {
  WaitRequest request = {};
  request.selector = Selector::kAll;
  request.flags = flags;
  return request;
}

inline SignalRequest To(std::uint32_t task, std::uint32_t signal,
                        Selector selector = Selector::kTask) {
  SignalRequest request = {};
  request.selector = selector;
  request.id = task;
  request.info.signal = signal;
  return request;
}

class TaskTableTest : public ::testing::Test {
 protected:
  TaskTableTest() {
    (void)test::TestNode::Get();  // released tasks wait for its grace periods
    first_ = New(0, &first_host_);
  }
  Task* New(std::uint32_t parent, FakeHost* host, std::uint32_t signal = abi::kSignalChild) {
    return At(tasks_.Create(parent == 0 ? nullptr : At(parent)->host, parent, signal, host, true, 0)
                  .value());
  }
  // Good as long as nobody ends it.
  Task* At(std::uint32_t number) {
    Task* found = nullptr;
    EXPECT_EQ(tasks_.Visit(number, 0,
                           [&found](Task& task) {
                             found = &task;
                             return Status::kOk;
                           }),
              Status::kOk);
    return found;
  }
  // With its host, whose main task it is.
  void End(const Task* task, ExitKind kind, std::uint32_t code, const TaskTable::Times& times) {
    tasks_.EndHost(task->host, kind, code, times);
  }
  Status Wait(std::uint32_t caller, const WaitRequest& request) {
    return tasks_.Wait(caller, request, {}, &found_);
  }

  TaskTable tasks_{mem::TheHeap()};
  FakeHost first_host_;
  Task* first_ = nullptr;
  WaitResult found_ = {};
};

}  // namespace k42::proc
