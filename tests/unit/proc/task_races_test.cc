// Families that change on several CPUs at once: nobody is lost, nobody is told twice. A pair of
// CPUs ends a parent and its child at the same moment, while others stop and continue everybody.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <deque>

#include "machine/hosted.h"
#include "unit/proc/task_table_fixture.h"

namespace k42::proc {
namespace {

struct Listener final : TaskEndListener {
  void TaskEnded() override { ++told; }
  void Dispose() override {}
  std::atomic<int> told{0};
};

// Two CPUs that go on together.
class Pair {
 public:
  void Meet() {
    const std::uint32_t turn = turn_.load();
    if (here_.fetch_add(1) == 1) {
      here_ = 0;
      turn_ = turn + 1;
    }
    while (turn_.load() == turn) test::QuietPoint();
  }

 private:
  std::atomic<std::uint32_t> here_{0};
  std::atomic<std::uint32_t> turn_{0};
};

class TaskRaces : public TaskTableTest {
 protected:
  static constexpr int kRounds = 1500;
  TaskRaces() { machine::hosted::SetCpuCount(4); }

  struct Family {
    FakeHost parent_host, child_host;
    std::atomic<std::uint32_t> parent{0}, child{0};
    std::deque<Listener> listeners;  // one for each round: a listener is told once
    std::atomic<bool> listens{false};
    Pair pair;
  };
  // Of the first task, to be waited for once.
  void Reap(std::uint32_t number) {
    WaitRequest request = Any();
    request.selector = Selector::kTask;
    request.id = number;
    WaitResult found;
    Status status = Status::kNoChild;
    for (int i = 0; i < 100'000 && status != Status::kOk; ++i) {
      status = tasks_.Wait(1, request, {}, &found);
      test::QuietPoint();
    }
    EXPECT_EQ(status, Status::kOk);
    EXPECT_EQ(found.task, number);
    EXPECT_EQ(tasks_.Wait(1, request, {}, &found), Status::kNoChild);
  }
  void EndBoth(Family& family, bool is_parents) {
    for (int round = 0; round < kRounds; ++round) {
      if (is_parents) {
        family.listeners.emplace_back();
        family.parent = tasks_.Create(&first_host_, 1, 17, &family.parent_host, true, 0).value();
        family.child =
            tasks_.Create(&family.parent_host, family.parent, 17, &family.child_host, true, 0)
                .value();
      }
      family.pair.Meet();
      if (is_parents) {
        tasks_.EndHost(&family.parent_host, ExitKind::kExited, 0, {});
      } else {
        family.listens = tasks_.ListenForEnd(1, family.parent, family.listeners.back()).ok();
        tasks_.EndHost(&family.child_host, ExitKind::kExited, 0, {});
      }
      family.pair.Meet();
      if (is_parents) {
        Reap(family.parent);
        Reap(family.child);
        while (family.listeners.back().told.load() != (family.listens ? 1 : 0)) test::QuietPoint();
      }
      family.pair.Meet();
    }
  }
};

TEST_F(TaskRaces, AParentAndItsChildEndAtOnce) {
  std::array<Family, 2> families;
  machine::hosted::RunOnAllCpus(
      [&](machine::CpuId cpu) { EndBoth(families[cpu / 2], cpu % 2 == 0); });
  EXPECT_EQ(tasks_.count(), 1u);
  EXPECT_EQ(Wait(1, Any()), Status::kNoChild);
}

// A parent that has waited may rely on it that nobody takes the child for alive any more.
TEST_F(TaskRaces, WhoHasWaitedFindsListenersThatKnow) {
  constexpr int kListeners = 2000;  // who ends the child has something to do after that
  std::deque<Listener> listeners;
  std::atomic<std::uint32_t> child{0};
  FakeHost host;
  Pair pair;
  machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
    for (int round = 0; cpu < 2 && round < kRounds / 50; ++round) {
      if (cpu == 0) {
        child = tasks_.Create(&first_host_, 1, 17, &host, true, 0).value();
        for (int i = 0; i < kListeners; ++i) {
          listeners.emplace_back();
          EXPECT_TRUE(tasks_.ListenForEnd(1, child, listeners.back()).ok());
        }
      }
      pair.Meet();
      WaitResult found;
      if (cpu == 1)
        tasks_.EndHost(&host, ExitKind::kExited, 0, {});
      while (cpu == 0 && tasks_.Wait(1, Any(), {}, &found) != Status::kOk) {
      }
      if (cpu == 0) {
        EXPECT_TRUE(listeners.back().has_ended());
      }
      pair.Meet();
    }
  });
  for (const Listener& listener : listeners) EXPECT_EQ(listener.told.load(), 1);
}

// Signals to a group come one after the other while a parent bears children whose numbers are below
// its own: a walk that has passed them may not find the parent later.
TEST_F(TaskRaces, ASignalToAGroupMissesNobody) {
  constexpr std::size_t kChildren = 24;
  FakeHost parent_host;
  std::array<FakeHost, kChildren> hosts;
  std::array<int, kChildren> after = {};  // signals that the parent had when the child was there
  std::uint32_t parent = 0;
  // Near the end of the numbers: those that come next, births that are refused take some, are low.
  machine::hosted::RunOn(3, [&] {
    do {
      if (parent != 0) {
        tasks_.EndHost(&parent_host, ExitKind::kExited, 0, {});
        EXPECT_EQ(Wait(1, Any()), Status::kOk);
        test::QuietPoint();
      }
      parent = tasks_.Create(&first_host_, 1, 17, &parent_host, true, 0).value();
    } while (parent < NumberTable::kFirstLimit - NumberTable::kTurn);
  });
  std::atomic<bool> over{false};
  SignalInfo mark = {};
  mark.signal = 40;
  machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
    while (cpu == 1 && !over.load()) tasks_.KillGroup(1, mark);
    for (std::size_t i = 0; cpu == 0 && i < kChildren; ++i) {
      Result<std::uint32_t> born = Status::kCancelled;
      while (born.status() == Status::kCancelled)
        born = tasks_.Create(&parent_host, parent, 17, &hosts[i], true, 0);
      const std::uint32_t child = born.value();
      EXPECT_LT(child, parent);
      EXPECT_EQ(tasks_.Visit(parent, 0,
                             [&](Task&) {
                               after[i] = parent_host.signals;
                               return Status::kOk;
                             }),
                Status::kOk);
      test::QuietPoint();
    }
    if (cpu == 0)
      over = true;
  });
  for (std::size_t i = 0; i < kChildren; ++i)
    EXPECT_GE(hosts[i].signals, parent_host.signals - after[i]) << i;
  tasks_.EndHost(&parent_host, ExitKind::kExited, 0, {});
  for (FakeHost& host : hosts) tasks_.EndHost(&host, ExitKind::kExited, 0, {});
  while (Wait(1, Any()) == Status::kOk) {
  }
  EXPECT_EQ(tasks_.count(), 1u);
}

// A child's stop and its being continued come from two CPUs: what its parent hears last is true.
TEST_F(TaskRaces, AParentKnowsTheLastState) {
  FakeHost host;
  const Task* child = New(1, &host);
  Pair pair;
  machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
    if (cpu >= 2)
      return;
    for (int round = 0; round < kRounds; ++round) {
      pair.Meet();
      EXPECT_TRUE(
          tasks_.Kill(1, To(child->number, cpu == 0 ? abi::kSignalStop : abi::kSignalContinue))
              .ok());
      pair.Meet();
      if (cpu == 0) {
        const bool stopped = child->state == TaskState::kStoppedState;
        EXPECT_EQ(host.stopped, stopped);
        WaitResult found;
        const Status status = tasks_.Wait(1, Any(kWaitStopped | kWaitContinued), {}, &found);
        if (status == Status::kOk) {
          EXPECT_EQ(found.kind, stopped ? ExitKind::kStopped : ExitKind::kContinued);
        }
        (void)tasks_.Kill(1, To(child->number, abi::kSignalContinue));
        (void)tasks_.Wait(1, Any(kWaitContinued), {}, &found);
      }
    }
  });
  End(child, ExitKind::kExited, 0, {});
  EXPECT_EQ(Wait(1, Any()), Status::kOk);
}

}  // namespace
}  // namespace k42::proc
