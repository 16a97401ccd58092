// The state machines of tasks: family, waiting, groups, sessions, signals.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "machine/hosted.h"
#include "unit/proc/task_table_fixture.h"

namespace k42::proc {
namespace {

// Two programs that operators started: neither adopts what the other leaves behind.
TEST_F(TaskTableTest, FamiliesShareNothing) {
  FakeHost other_host, child_host, orphan_host, zombie_host;
  Task* other = New(0, &other_host);
  Task* child = New(other->number, &child_host);
  Task* orphan = New(child->number, &orphan_host);
  const std::uint32_t zombie = New(other->number, &zombie_host)->number;
  tasks_.EndHost(&child_host, ExitKind::kExited, 0, {});
  EXPECT_EQ(orphan->parent, other);
  EXPECT_EQ(orphan_host.parent, other->number);  // and its process was told
  tasks_.EndHost(&zombie_host, ExitKind::kExited, 0, {});
  const std::uint32_t other_number = other->number;
  tasks_.EndHost(&other_host, ExitKind::kExited, 0, {});
  EXPECT_EQ(orphan->parent, nullptr);
  EXPECT_EQ(orphan_host.parent, 0u);
  EXPECT_EQ(first_host_.signals, 0);
  for (const std::uint32_t number : {other_number, zombie}) {
    TaskInfo info;
    EXPECT_EQ(tasks_.GetInfo(1, number, &info), Status::kNoProcess) << number;
  }
  EXPECT_EQ(tasks_.count(), 2u);
  tasks_.EndHost(&orphan_host, ExitKind::kExited, 0, {});
  EXPECT_EQ(tasks_.count(), 1u);
}

// A program may still act for a task of its own that has ended.
TEST_F(TaskTableTest, ATaskThatHasEndedIsNobodysOwn) {
  const std::uint32_t second =
      tasks_.Create(&first_host_, 1, abi::kSignalChild, &first_host_, false, 0).value();
  Credential credential;
  ASSERT_EQ(tasks_.GetCredential(second, 0, &credential), Status::kOk);
  EXPECT_EQ(tasks_.SetCredential(second, 0, false, credential), Status::kOk);
  ASSERT_EQ(tasks_.EndOwn(&first_host_, second, ExitKind::kExited, 0), Status::kOk);
  EXPECT_EQ(tasks_.SetCredential(second, 0, false, credential), Status::kNoProcess);
  EXPECT_EQ(Wait(1, Any()), Status::kOk);
}

// Two dispatchers of a process say of the same task that it ends.
TEST_F(TaskTableTest, ATaskEndsOnce) {
  constexpr int kTasks = 3000;
  first_->options[static_cast<int>(TaskOption::kReapChildren)] = 1;
  std::atomic<std::uint32_t> number{0};
  std::atomic<int> ended{0}, through{0};
  const auto end = [&](std::uint32_t task) {
    ended += tasks_.EndOwn(&first_host_, task, ExitKind::kExited, 0) == Status::kOk ? 1 : 0;
    ++through;
  };
  std::thread other([&] {
    const machine::hosted::OnCpu on(1);
    std::uint32_t last = 0;
    for (int i = 0; i < kTasks; ++i) {
      std::uint32_t next = 0;
      while ((next = number.load()) == last) {
      }
      end(last = next);
    }
  });
  for (int i = 0; i < kTasks; ++i) {
    through = 0;
    const std::uint32_t made =
        tasks_.Create(&first_host_, 1, abi::kSignalChild, &first_host_, false, 0).value();
    number = made;
    end(made);
    while (through != 2) {
    }
    EXPECT_EQ(ended, i + 1);
  }
  const machine::hosted::WithoutCpu without;
  other.join();
}

TEST_F(TaskTableTest, AZombieStaysUntilItsParentHasWaited) {
  FakeHost host;
  Task* child = New(1, &host);
  const std::uint32_t number = child->number;
  EXPECT_EQ(Wait(1, Any()), Status::kWouldBlock);
  End(child, ExitKind::kExited, 3, {10, 0, 0});
  TaskInfo info;
  EXPECT_EQ(tasks_.GetInfo(1, number, &info), Status::kOk);
  EXPECT_EQ(info.state, TaskState::kZombie);
  EXPECT_EQ(Wait(1, Any(kWaitExited | kWaitKeep)), Status::kOk);
  EXPECT_EQ(Wait(1, Any()), Status::kOk);
  EXPECT_EQ(found_.task, number);
  EXPECT_EQ(found_.code, 3u);
  EXPECT_EQ(Wait(1, Any()), Status::kNoChild);
  EXPECT_EQ(tasks_.GetInfo(1, number, &info), Status::kNoProcess);
  EXPECT_EQ(first_->children_user_ns, 10u);
  EXPECT_EQ(first_host_.signals, 1);
}

TEST_F(TaskTableTest, OrphansGoToTheFirstTask) {
  FakeHost parent_host, child_host, dead_host;
  Task* parent = New(1, &parent_host);
  Task* child = New(parent->number, &child_host);
  Task* dead = New(parent->number, &dead_host);
  const std::uint32_t dead_number = dead->number;
  End(dead, ExitKind::kExited, 9, {});
  End(parent, ExitKind::kExited, 0, {});
  EXPECT_EQ(child->parent, first_);
  WaitRequest request = Any();
  request.selector = Selector::kTask;
  request.id = dead_number;
  EXPECT_EQ(Wait(1, request), Status::kOk);
  EXPECT_EQ(found_.code, 9u);
}

// Whatever its parent had asked for at its end (clone's signal).
TEST_F(TaskTableTest, AnOrphansEndIsToldByTheChildSignal) {
  constexpr std::uint32_t kIllegal = 4;
  FakeHost parent_host, child_host;
  Task* parent = New(1, &parent_host);
  Task* child = New(parent->number, &child_host, kIllegal);
  End(parent, ExitKind::kExited, 0, {});
  ASSERT_EQ(child->parent, first_);
  End(child, ExitKind::kExited, 0, {});
  EXPECT_EQ(first_->signals.pending(), abi::SignalBit(abi::kSignalChild));
}

TEST_F(TaskTableTest, WhoAdoptsOrphansGetsThem) {
  FakeHost hosts[3];
  Task* keeper = New(1, &hosts[0]);
  keeper->options[static_cast<int>(TaskOption::kAdoptOrphans)] = 1;
  Task* middle = New(keeper->number, &hosts[1]);
  Task* child = New(middle->number, &hosts[2]);
  End(middle, ExitKind::kExited, 0, {});
  EXPECT_EQ(child->parent, keeper);
}

TEST_F(TaskTableTest, NoZombieIfTheParentDoesNotWantToKnow) {
  first_->options[static_cast<int>(TaskOption::kReapChildren)] = 1;
  FakeHost host;
  Task* child = New(1, &host);
  const std::uint32_t number = child->number;
  End(child, ExitKind::kExited, 0, {});
  TaskInfo info;
  EXPECT_EQ(tasks_.GetInfo(1, number, &info), Status::kNoProcess);
  EXPECT_EQ(Wait(1, Any()), Status::kNoChild);
}

struct Listener final : TaskEndListener {
  void TaskEnded() override {
    ++told;
    other_knew = other == nullptr || other->has_ended();
  }
  void Dispose() override { disposed = true; }
  int told = 0;
  bool disposed = false;
  bool other_knew = false;
  Listener* other = nullptr;
};

TEST_F(TaskTableTest, ANumberThatIsAStrangersByNowMakesNoChild) {
  FakeHost stranger, child;
  Task* task = New(first_->number, &stranger);
  const std::uint32_t number = task->number;
  EXPECT_EQ(tasks_.Create(&first_host_, number, 0, &child, true, 0).status(), Status::kNoProcess);
  End(task, ExitKind::kExited, 0, {});
  EXPECT_EQ(tasks_.Create(&stranger, number, 0, &child, true, 0).status(), Status::kNoProcess);
  EXPECT_EQ(Wait(first_->number, Any()), Status::kOk);
}

TEST_F(TaskTableTest, WhoListensIsToldOfTheEndOnce) {
  FakeHost host;
  Task* child = New(first_->number, &host);
  const std::uint32_t number = child->number;
  Listener one, two, gone, late;
  one.other = &two;
  two.other = &one;
  EXPECT_TRUE(tasks_.ListenForEnd(first_->number, number, one).ok());
  EXPECT_TRUE(tasks_.ListenForEnd(first_->number, number, two).ok());
  EXPECT_TRUE(tasks_.ListenForEnd(first_->number, number, gone).ok());
  tasks_.StopListening(gone);
  tasks_.StopListening(gone);
  EXPECT_FALSE(one.has_ended());
  End(child, ExitKind::kExited, 0, {});
  EXPECT_EQ(one.told, 1);
  EXPECT_EQ(two.told, 1);
  EXPECT_TRUE(one.other_knew && two.other_knew);  // whoever is told first
  EXPECT_EQ(gone.told, 0);
  // A zombie has ended, and what is gone is nobody.
  EXPECT_TRUE(tasks_.ListenForEnd(first_->number, number, late).ok());
  EXPECT_EQ(late.told, 1);
  EXPECT_EQ(Wait(first_->number, Any()), Status::kOk);
  EXPECT_EQ(tasks_.ListenForEnd(first_->number, number, late).status(), Status::kNoProcess);
  tasks_.StopListening(one);
  one.DropReference();
  EXPECT_TRUE(one.disposed);  // the table has given its own back
}

TEST_F(TaskTableTest, WhoListensIsToldOfOneThatLeavesNoZombie) {
  first_->options[static_cast<std::uint32_t>(TaskOption::kReapChildren)] = 1;
  FakeHost host;
  Task* child = New(first_->number, &host);
  Listener listener;
  EXPECT_TRUE(tasks_.ListenForEnd(first_->number, child->number, listener).ok());
  End(child, ExitKind::kExited, 0, {});
  EXPECT_EQ(listener.told, 1);
}

// The first task's heirs may be over when they come to it.
TEST_F(TaskTableTest, WhoWantsToKnowOfNoChildGetsNoZombieAsHeir) {
  first_->options[static_cast<std::uint32_t>(TaskOption::kReapChildren)] = 1;
  FakeHost parent_host, child_host;
  const Task* parent = New(first_->number, &parent_host);
  const Task* child = New(parent->number, &child_host);
  End(child, ExitKind::kExited, 0, {.user_ns = 5, .system_ns = 7, .peak_resident = 0});
  EXPECT_EQ(tasks_.count(), 3u);
  End(parent, ExitKind::kExited, 0, {});
  EXPECT_EQ(tasks_.count(), 1u);
  EXPECT_EQ(Wait(first_->number, Any()), Status::kNoChild);
  EXPECT_EQ(first_->children_user_ns.load(), 5u);
  EXPECT_EQ(first_->children_system_ns.load(), 7u);
}

TEST_F(TaskTableTest, StopAndContinueAreReportedOnce) {
  FakeHost host;
  Task* child = New(1, &host);
  EXPECT_TRUE(tasks_.Kill(1, To(child->number, abi::kSignalStop)).ok());
  EXPECT_TRUE(host.stopped);
  EXPECT_EQ(Wait(1, Any()), Status::kWouldBlock);
  EXPECT_EQ(Wait(1, Any(kWaitStopped)), Status::kOk);
  EXPECT_EQ(found_.kind, ExitKind::kStopped);
  EXPECT_EQ(Wait(1, Any(kWaitStopped)), Status::kWouldBlock);
  EXPECT_TRUE(tasks_.Kill(1, To(child->number, abi::kSignalContinue)).ok());
  EXPECT_FALSE(host.stopped);
  EXPECT_EQ(Wait(1, Any(kWaitContinued)), Status::kOk);
  EXPECT_EQ(Wait(1, Any(kWaitContinued)), Status::kWouldBlock);
}

// A process with a guest (a child of vfork): it runs when neither of the two is stopped, whichever
// goes on first, and a guest that ends leaves no stop behind.
TEST_F(TaskTableTest, AProcessRunsWhenNoneOfItsTasksIsStopped) {
  FakeHost host;
  Task* main = New(1, &host);
  const auto guest = [&] {
    return tasks_.Create(&host, main->number, abi::kSignalChild, &host, false, 0).value();
  };
  const auto send = [&](std::uint32_t task, std::uint32_t signal) {
    EXPECT_TRUE(tasks_.Kill(1, To(task, signal)).ok());
    return host.stopped;
  };
  const std::uint32_t second = guest();
  for (const auto& [one, other] :
       {std::pair{main->number, second}, std::pair{second, main->number}}) {
    EXPECT_TRUE(send(one, abi::kSignalStop));
    EXPECT_TRUE(send(other, abi::kSignalStop));
    EXPECT_TRUE(send(one, abi::kSignalStop));  // is already
    EXPECT_TRUE(send(one, abi::kSignalContinue));
    EXPECT_FALSE(send(other, abi::kSignalContinue));
    EXPECT_FALSE(send(other, abi::kSignalContinue));
  }
  EXPECT_TRUE(send(second, abi::kSignalStop));
  EXPECT_EQ(tasks_.EndOwn(&host, second, ExitKind::kExited, 0), Status::kOk);
  EXPECT_FALSE(host.stopped);
  tasks_.EndHost(&host, ExitKind::kExited, 0, {});
}

// Two CPUs stop and continue two tasks of a process: the last word left is the right one.
TEST_F(TaskTableTest, StopsOfTwoTasksDoNotOverwriteEachOther) {
  struct Words final : TaskHost {
    void SignalsChanged(Task&) override {}
    void IdentityChanged(Task&) override {}
    void StopRunning() override { Leave(true); }
    void ContinueRunning() override { Leave(false); }
    void EndRunning(ExitKind, std::uint32_t) override {}
    void Leave(bool stop) {
      std::this_thread::yield();  // between the number and the word
      stopped.store(stop);
    }
    std::atomic<bool> stopped{false};
  };
  for (int round = 0; round < 2000; ++round) {
    Words host;
    const bool first_stays = round % 2 != 0;
    std::thread other([&] {
      host.TaskStops();
      host.TaskGoesOn();
    });
    host.TaskStops();
    if (!first_stays)
      host.TaskGoesOn();
    other.join();
    ASSERT_EQ(host.stopped.load(), first_stays) << round;
  }
}

// What a guest was told just before it became a process holds for the process.
TEST_F(TaskTableTest, AGuestTakesItsStopAndItsDeathAlong) {
  FakeHost from;
  Task* main = New(1, &from);
  const auto guest = [&] {
    return tasks_.Create(&from, main->number, abi::kSignalChild, &from, false, 0).value();
  };
  FakeHost stopped, killed, told, plain;
  const std::uint32_t first = guest(), second = guest(), third = guest(), fourth = guest();
  EXPECT_TRUE(tasks_.Kill(1, To(first, abi::kSignalStop)).ok());
  EXPECT_TRUE(tasks_.Kill(1, To(second, abi::kSignalKill)).ok());
  EXPECT_TRUE(tasks_.Kill(1, To(third, abi::kSignalTerminate)).ok());
  EXPECT_TRUE(from.stopped);
  for (const auto& [number, host] : {std::pair{first, &stopped}, std::pair{second, &killed},
                                     std::pair{third, &told}, std::pair{fourth, &plain}})
    EXPECT_EQ(tasks_.Adopt(main->number, number, &from, host), Status::kOk);
  EXPECT_FALSE(from.stopped);
  EXPECT_TRUE(stopped.stopped);
  EXPECT_TRUE(killed.ended && killed.exit_kind == ExitKind::kKilled);
  EXPECT_EQ(killed.exit_code, abi::kSignalKill);
  EXPECT_TRUE(told.signals == 1 && !told.ended && !told.stopped);
  EXPECT_TRUE(plain.signals == 0 && !plain.ended && !plain.stopped);
  EXPECT_TRUE(tasks_.Kill(1, To(first, abi::kSignalContinue)).ok());
  EXPECT_FALSE(stopped.stopped);
  for (FakeHost* host : {&stopped, &killed, &told, &plain, &from})
    tasks_.EndHost(host, ExitKind::kExited, 0, {});
}

TEST_F(TaskTableTest, KillEndsAStoppedOne) {
  FakeHost host;
  Task* child = New(1, &host);
  (void)tasks_.Kill(1, To(child->number, abi::kSignalStop));
  EXPECT_TRUE(tasks_.Kill(1, To(child->number, abi::kSignalKill)).ok());
  EXPECT_TRUE(host.ended);
  EXPECT_EQ(host.exit_code, std::uint32_t{abi::kSignalKill});
}

TEST_F(TaskTableTest, PermissionToSignal) {
  FakeHost hosts[2];
  Task* one = New(1, &hosts[0]);
  Task* other = New(1, &hosts[1]);
  one->credential.user = one->credential.effective_user = one->credential.saved_user = 5;
  other->credential.user = other->credential.effective_user = other->credential.saved_user = 6;
  EXPECT_EQ(tasks_.Kill(one->number, To(other->number, 15)).status(), Status::kPermissionDenied);
  EXPECT_TRUE(tasks_.Kill(1, To(other->number, 15)).ok());
  EXPECT_EQ(tasks_.Kill(one->number, To(999, 15)).status(), Status::kNoProcess);
  // Continuing is allowed within the session.
  EXPECT_TRUE(tasks_.Kill(one->number, To(other->number, abi::kSignalContinue)).ok());
  // To all: only those it may; itself and the first task are left out.
  EXPECT_EQ(tasks_.Kill(one->number, To(0, 15, Selector::kAll)).status(),
            Status::kPermissionDenied);
}

TEST_F(TaskTableTest, GroupsAndSessions) {
  FakeHost hosts[3];
  Task* shell = New(1, &hosts[0]);
  EXPECT_EQ(tasks_.NewSession(shell->number).value(), shell->number);
  EXPECT_EQ(tasks_.NewSession(shell->number).status(), Status::kPermissionDenied);
  Task* job = New(shell->number, &hosts[1]);
  Task* mate = New(shell->number, &hosts[2]);
  EXPECT_EQ(tasks_.SetGroup(shell->number, job->number, 0), Status::kOk);
  EXPECT_EQ(tasks_.SetGroup(shell->number, mate->number, job->number), Status::kOk);
  EXPECT_EQ(tasks_.SetGroup(shell->number, mate->number, 12345), Status::kPermissionDenied);
  EXPECT_EQ(tasks_.SetGroup(shell->number, shell->number, job->number), Status::kPermissionDenied);
  EXPECT_EQ(tasks_.Kill(1, To(job->group, 15, Selector::kGroup)).value(), 2u);
  EXPECT_EQ(tasks_.SetTerminal(job->number, 77), Status::kPermissionDenied);
  EXPECT_EQ(tasks_.SetTerminal(shell->number, 77), Status::kOk);
  EXPECT_EQ(tasks_.SetForeground(shell->number, job->group), Status::kOk);
  EXPECT_EQ(tasks_.SetForeground(shell->number, 4711), Status::kPermissionDenied);
  TaskInfo info;
  EXPECT_EQ(tasks_.GetInfo(1, mate->number, &info), Status::kOk);
  EXPECT_EQ(info.foreground_group, job->group);
  EXPECT_EQ(info.terminal, 77u);
}

TEST_F(TaskTableTest, AStoppedGroupThatIsOrphanedIsWokenAndHungUp) {
  FakeHost hosts[3];
  Task* shell = New(1, &hosts[0]);
  ASSERT_TRUE(tasks_.NewSession(shell->number).ok());
  Task* job = New(shell->number, &hosts[1]);
  ASSERT_EQ(tasks_.SetGroup(shell->number, job->number, 0), Status::kOk);
  (void)tasks_.Kill(1, To(job->number, abi::kSignalStop));
  EXPECT_TRUE(hosts[1].stopped);
  EXPECT_FALSE(tasks_.IsOrphaned(job->group));
  End(shell, ExitKind::kExited, 0, {});
  EXPECT_TRUE(tasks_.IsOrphaned(job->group));
  EXPECT_FALSE(hosts[1].stopped);
  EXPECT_NE(job->signals.pending() & abi::SignalBit(abi::kSignalHangup), 0u);
}

// Nobody could continue it.
TEST_F(TaskTableTest, KeysDoNotStopAnOrphanedGroup) {
  FakeHost hosts[2];
  Task* shell = New(1, &hosts[0]);
  ASSERT_TRUE(tasks_.NewSession(shell->number).ok());
  Task* job = New(shell->number, &hosts[1]);
  for (const std::uint32_t signal :
       {abi::kSignalTerminalStop, abi::kSignalTerminalInput, abi::kSignalTerminalOutput}) {
    EXPECT_EQ(tasks_.Stop(job->number, 0, signal), Status::kOk);
    EXPECT_FALSE(hosts[1].stopped);
  }
  EXPECT_EQ(tasks_.Stop(shell->number, 0, abi::kSignalStop), Status::kOk);
  EXPECT_TRUE(hosts[0].stopped);
  ASSERT_EQ(tasks_.SetGroup(shell->number, job->number, 0), Status::kOk);
  EXPECT_EQ(tasks_.Stop(job->number, 0, abi::kSignalTerminalStop), Status::kOk);
  EXPECT_TRUE(hosts[1].stopped);
}

TEST_F(TaskTableTest, TasksInOneProcessEndWithIt) {
  FakeHost host;
  Task* main = New(1, &host);
  const std::uint32_t guest_number = tasks_.Create(&host, main->number, 0, &host, false, 0).value();
  const std::uint32_t thread = tasks_.NewThread(main->number, 0).value();
  EXPECT_EQ(tasks_.GetInfo(1, thread, nullptr), Status::kNoProcess);
  EXPECT_EQ(tasks_.EndOwn(&host, main->number, ExitKind::kExited, 0), Status::kNoProcess);
  const std::uint32_t main_number = main->number;
  tasks_.EndHost(&host, ExitKind::kExited, 4, {});
  TaskInfo info;
  EXPECT_EQ(tasks_.GetInfo(1, main_number, &info), Status::kOk);
  EXPECT_EQ(info.state, TaskState::kZombie);
  EXPECT_EQ(tasks_.GetInfo(1, guest_number, &info), Status::kOk);
  EXPECT_EQ(info.parent, 1u);
  EXPECT_EQ(tasks_.EndThread(1, thread), Status::kNoProcess);
}

TEST_F(TaskTableTest, LimitOfTasks) {
  FakeHost hosts[2];
  Task* user = New(1, &hosts[0]);
  user->credential.user = user->credential.effective_user = 9;
  user->limits[static_cast<int>(LimitKind::kTasks)] = {2, 2};
  EXPECT_EQ(tasks_.RequireRoom(user->number), Status::kOk);
  New(user->number, &hosts[1]);
  EXPECT_EQ(tasks_.RequireRoom(user->number), Status::kLimitExceeded);
  EXPECT_EQ(tasks_.RequireRoom(1), Status::kOk);
}

TEST_F(TaskTableTest, NumbersAreNotReusedSoon) {
  first_->options[static_cast<int>(TaskOption::kReapChildren)] = 1;
  std::uint32_t last = 1;
  for (std::uint32_t i = 0; i < NumberTable::kFirstLimit + 100; ++i) {
    FakeHost host;
    Task* task = New(1, &host);
    EXPECT_LT(task->number, NumberTable::kFirstLimit);  // few are in use: the limit stays
    if (i < NumberTable::kFirstLimit - 10) {
      EXPECT_GT(task->number, last);
    }
    last = task->number;
    End(task, ExitKind::kExited, 0, {});
    test::QuietPoint();
  }
  EXPECT_EQ(tasks_.count(), 1u);
}

// Random births, deaths, waits and signals: every task ends, every number comes back.
TEST_F(TaskTableTest, RandomFamilies) {
  std::mt19937 random(11);
  std::vector<std::pair<Task*, FakeHost*>> live = {{first_, &first_host_}};
  for (int step = 0; step < 20'000; ++step) {
    const std::size_t at = random() % live.size();
    Task* task = live[at].first;
    switch (random() % 6) {
      case 0:
        if (live.size() < 200) {
          auto* host = new FakeHost;
          live.emplace_back(New(task->number, host), host);
        }
        break;
      case 1:
        if (task != first_) {
          End(task, ExitKind::kExited, 0, {});
          delete live[at].second;
          live.erase(live.begin() + static_cast<std::ptrdiff_t>(at));
        }
        break;
      case 2:
        (void)Wait(task->number, Any(kWaitExited | kWaitStopped | kWaitContinued));
        break;
      case 3:
        (void)tasks_.Kill(1, To(task->number, 1 + random() % 64));
        break;
      case 4: {
        SignalInfo info;
        (void)tasks_.Take(task->number, 0, random(), &info);
        break;
      }
      default:
        (void)tasks_.SetGroup(task->number, 0, random() % 3 == 0 ? 0 : live[0].first->number);
    }
  }
  while (live.size() > 1) {
    End(live.back().first, ExitKind::kExited, 0, {});
    delete live.back().second;
    live.pop_back();
  }
  while (Wait(1, Any()) == Status::kOk) {
  }
  EXPECT_EQ(tasks_.count(), 1u);
}

TEST(SignalState, ManyOfOneSenderLeaveRoomForOthers) {
  SignalState state;
  SignalInfo info = {};
  info.signal = 40;
  info.sender = 5;
  for (int i = 0; i < 100; ++i) (void)state.Add(info);
  info.sender = 6;
  EXPECT_TRUE(state.Add(info));
  int of_five = 0, of_six = 0;
  while (state.Take(~0ull, &info)) (info.sender == 5 ? of_five : of_six) += 1;
  EXPECT_EQ(of_six, 1);
  EXPECT_EQ(of_five, 16);
  EXPECT_EQ(state.pending(), 0u);
}

TEST(SignalState, OrdinarySignalsMerge) {
  SignalState state;
  SignalInfo info = {};
  info.signal = 15;
  EXPECT_TRUE(state.Add(info));
  EXPECT_TRUE(state.Add(info));
  EXPECT_FALSE(state.Take(abi::SignalBit(14), &info));
  EXPECT_TRUE(state.Take(~0ull, &info));
  EXPECT_FALSE(state.Take(~0ull, &info));
}

TEST_F(TaskTableTest, AProcessIsToldOfItsCredential) {
  EXPECT_EQ(first_host_.user, ~0u);  // its page is new: zeros are right
  Credential credential = first_->credential;
  credential.user = credential.effective_user = credential.saved_user = 7;
  ASSERT_EQ(tasks_.SetCredential(1, 1, false, credential), Status::kOk);
  EXPECT_EQ(first_host_.user, 7u);
  FakeHost child_host;
  New(1, &child_host);
  EXPECT_EQ(child_host.user, 7u);
}

}  // namespace
}  // namespace k42::proc
