// Signals and stops that meet a task which is just being born, given a process of its own, or
// ended.
#include <gtest/gtest.h>

#include "unit/proc/task_table_fixture.h"

namespace k42::proc {
namespace {

class TaskSignals : public TaskTableTest {
 protected:
  TaskSignals() { main_ = New(1, &host_); }
  // A task beside the main one, as vfork makes it.
  std::uint32_t NewGuest() {
    return tasks_.Create(&host_, main_->number, 17, &host_, false, 0).value();
  }
  Result<std::uint32_t> Bear(FakeHost* child) {
    return tasks_.Create(&host_, main_->number, 17, child, true, 0);
  }
  void SendToGroup(std::uint32_t signal) {
    SignalInfo info = {};
    info.signal = signal;
    tasks_.KillGroup(main_->group, info);
  }

  FakeHost host_, other_;
  Task* main_ = nullptr;
};

TEST_F(TaskSignals, AChildEscapesNoSignalToItsParentsGroup) {
  SendToGroup(15);
  EXPECT_EQ(Bear(&other_).status(), Status::kCancelled);
  EXPECT_TRUE(Bear(&other_).ok());  // its parent has looked
  FakeHost third;
  EXPECT_TRUE(tasks_.Kill(1, To(main_->number, 15)).ok());  // not to the group
  EXPECT_TRUE(Bear(&third).ok());
}

TEST_F(TaskSignals, WhoIsStoppedOrHasBeenKilledHasNoChild) {
  EXPECT_TRUE(tasks_.Kill(1, To(main_->number, abi::kSignalStop)).ok());
  EXPECT_EQ(Bear(&other_).status(), Status::kCancelled);
  EXPECT_EQ(Bear(&other_).status(), Status::kCancelled);
  EXPECT_TRUE(tasks_.Kill(1, To(main_->number, abi::kSignalContinue)).ok());
  EXPECT_TRUE(Bear(&other_).ok());
  SendToGroup(abi::kSignalKill);
  FakeHost third;
  EXPECT_EQ(Bear(&third).status(), Status::kNoProcess);
  EXPECT_EQ(Bear(&third).status(), Status::kNoProcess);
}

TEST_F(TaskSignals, WhatIsPendingGoesAlongToTheTasksOwnProcess) {
  const std::uint32_t guest = NewGuest();
  EXPECT_TRUE(tasks_.Kill(1, To(guest, 15)).ok());
  EXPECT_EQ(other_.signals, 0);
  EXPECT_EQ(tasks_.Adopt(main_->number, guest, &host_, &other_), Status::kOk);
  EXPECT_EQ(other_.signals, 1);
  EXPECT_FALSE(other_.ended);
}

TEST_F(TaskSignals, AKillGoesAlongToTheTasksOwnProcess) {
  const std::uint32_t guest = NewGuest();
  EXPECT_TRUE(tasks_.Kill(1, To(guest, abi::kSignalKill)).ok());
  EXPECT_FALSE(host_.ended);
  EXPECT_EQ(tasks_.Adopt(main_->number, guest, &host_, &other_), Status::kOk);
  EXPECT_TRUE(other_.ended);
  EXPECT_FALSE(host_.ended);
}

// Each stopped task stops its process, until it is continued, or is not in it any more.
TEST_F(TaskSignals, AStopGoesAlongToTheTasksOwnProcess) {
  const std::uint32_t guest = NewGuest();
  EXPECT_TRUE(tasks_.Kill(1, To(guest, abi::kSignalStop)).ok());
  EXPECT_EQ(host_.stopped, 1);
  EXPECT_EQ(tasks_.Adopt(main_->number, guest, &host_, &other_), Status::kOk);
  EXPECT_EQ(host_.stopped, 0);
  EXPECT_EQ(other_.stopped, 1);
  EXPECT_TRUE(tasks_.Kill(1, To(guest, abi::kSignalContinue)).ok());
  EXPECT_EQ(other_.stopped, 0);
}

TEST_F(TaskSignals, AStoppedTaskThatEndsLeavesItsProcessRunning) {
  const std::uint32_t guest = NewGuest();
  EXPECT_TRUE(tasks_.Kill(1, To(guest, abi::kSignalStop)).ok());
  EXPECT_TRUE(tasks_.Kill(1, To(main_->number, abi::kSignalStop)).ok());
  EXPECT_EQ(host_.stopped, 2);
  EXPECT_TRUE(tasks_.Kill(1, To(guest, abi::kSignalContinue)).ok());
  EXPECT_EQ(host_.stopped, 1);
  EXPECT_TRUE(tasks_.Kill(1, To(guest, abi::kSignalStop)).ok());
  EXPECT_EQ(tasks_.EndOwn(&host_, guest, ExitKind::kExited, 0), Status::kOk);
  EXPECT_EQ(host_.stopped, 1);
  EXPECT_TRUE(tasks_.Kill(1, To(main_->number, abi::kSignalContinue)).ok());
  EXPECT_EQ(host_.stopped, 0);
}

// Between the taking of a stop signal and the stop.
TEST_F(TaskSignals, WhatContinuesComesNotTooEarly) {
  EXPECT_EQ(tasks_.SetGroup(1, main_->number, 0), Status::kOk);
  SignalInfo info = {};
  EXPECT_TRUE(tasks_.Kill(1, To(main_->number, abi::kSignalTerminalStop)).ok());
  EXPECT_EQ(tasks_.Take(main_->number, 0, ~std::uint64_t{0}, &info), Status::kOk);
  EXPECT_TRUE(tasks_.Kill(1, To(main_->number, abi::kSignalContinue)).ok());
  EXPECT_EQ(tasks_.Stop(main_->number, 0, abi::kSignalTerminalStop), Status::kOk);
  EXPECT_EQ(host_.stopped, 0);
  EXPECT_EQ(tasks_.Take(main_->number, 0, ~std::uint64_t{0}, &info), Status::kOk);
  EXPECT_EQ(tasks_.Stop(main_->number, 0, abi::kSignalTerminalStop), Status::kOk);
  EXPECT_EQ(host_.stopped, 1);
}

TEST_F(TaskSignals, WhoSaysMoreThanANumberHearsThatThereIsNoRoom) {
  SignalRequest request = To(main_->number, 40);
  request.info.code = -1;
  std::uint32_t sent = 0;
  while (sent < 1000 && tasks_.Kill(1, request).ok()) ++sent;
  EXPECT_EQ(sent, 16u);
  EXPECT_EQ(tasks_.Kill(1, request).status(), Status::kLimitExceeded);
  request.info.code = 0;
  EXPECT_TRUE(tasks_.Kill(1, request).ok());  // it is pending
  SignalInfo info = {};
  EXPECT_EQ(tasks_.Take(main_->number, 0, ~std::uint64_t{0}, &info), Status::kOk);
  request.info.code = -1;
  EXPECT_TRUE(tasks_.Kill(1, request).ok());
}

// The head of a family has no heir.
TEST_F(TaskSignals, WhoIsNobodysHearsOfItsParentsEnd) {
  FakeHost head_host, child_host, job_host;
  const Task* head = New(0, &head_host);
  Task* child = New(head->number, &child_host);
  child->options[static_cast<std::uint32_t>(TaskOption::kParentDeathSignal)] = 10;
  const Task* job = New(head->number, &job_host);
  EXPECT_EQ(tasks_.SetGroup(head->number, job->number, 0), Status::kOk);
  EXPECT_TRUE(tasks_.Kill(1, To(job->number, abi::kSignalStop)).ok());
  EXPECT_EQ(job_host.stopped, 1);
  End(head, ExitKind::kExited, 0, {});
  EXPECT_NE(child->signals.pending() & abi::SignalBit(10), 0u);
  EXPECT_EQ(job_host.stopped, 0);
}

TEST_F(TaskSignals, WhoHasEndedControlsNobodyThatHas) {
  const std::uint32_t guest = NewGuest();
  Task* const stranger = New(1, &other_);
  main_->credential.user = main_->credential.effective_user = main_->credential.saved_user = 5;
  At(guest)->credential = main_->credential;
  EXPECT_EQ(tasks_.RequireControl(guest, stranger->number), Status::kPermissionDenied);
  EXPECT_EQ(tasks_.EndOwn(&host_, guest, ExitKind::kExited, 0), Status::kOk);
  End(stranger, ExitKind::kExited, 0, {});
  EXPECT_EQ(tasks_.RequireControl(guest, stranger->number), Status::kPermissionDenied);
}

}  // namespace
}  // namespace k42::proc
