// Numbers of tasks that have gone: not given again while they name a group or a session.
#include <gtest/gtest.h>

#include <set>

#include "unit/proc/task_table_fixture.h"

namespace k42::proc {
namespace {

class TaskRetired : public TaskTableTest {
 protected:
  static constexpr std::uint32_t kRound = NumberTable::kFirstLimit;

  // A child that leads its own session, and one of its own that stays in it.
  std::uint32_t LeaveMember(FakeHost* member) {
    FakeHost leader_host;
    const Task* leader = New(1, &leader_host);
    const std::uint32_t number = leader->number;
    EXPECT_TRUE(tasks_.NewSession(number).ok());
    if (member != nullptr)
      New(number, member);
    EndChild(leader);
    return number;
  }
  void EndChild(const Task* child) {
    End(child, ExitKind::kExited, 0, {});
    EXPECT_EQ(Wait(1, Any()), Status::kOk);
    test::QuietPoint();
  }
  // All numbers that are given out while they come round.
  std::set<std::uint32_t> Round() {
    std::set<std::uint32_t> given;
    for (std::uint32_t i = 0; i < kRound; ++i) {
      FakeHost host;
      const Task* child = New(1, &host);
      given.insert(child->number);
      EndChild(child);
    }
    return given;
  }
};

TEST_F(TaskRetired, ANumberNamesOneGroupAtATime) {
  FakeHost member_host;
  const std::uint32_t named = LeaveMember(&member_host);
  const std::uint32_t free = LeaveMember(nullptr);
  for (int i = 0; i < 600; ++i) LeaveMember(nullptr);  // that the CPU looks at what it keeps
  std::set<std::uint32_t> given = Round();
  EXPECT_EQ(given.count(named), 0u);
  EXPECT_EQ(given.count(free), 1u);
  tasks_.EndHost(&member_host, ExitKind::kExited, 0, {});
  EXPECT_EQ(Wait(1, Any()), Status::kOk);
  for (int i = 0; i < 600; ++i) LeaveMember(nullptr);
  given = Round();
  EXPECT_EQ(given.count(named), 1u);
}

// More groups without a leader than are looked at in one walk.
TEST_F(TaskRetired, ManyGroupsMayHaveLostTheirLeaders) {
  constexpr std::size_t kGroups = 700;
  std::vector<FakeHost> members(kGroups);
  std::set<std::uint32_t> named;
  for (FakeHost& member : members) named.insert(LeaveMember(&member));
  for (int i = 0; i < 3000; ++i) EXPECT_EQ(named.count(LeaveMember(nullptr)), 0u);
  for (const std::uint32_t number : Round()) EXPECT_EQ(named.count(number), 0u);
  for (FakeHost& member : members) {
    tasks_.EndHost(&member, ExitKind::kExited, 0, {});
    EXPECT_EQ(Wait(1, Any()), Status::kOk);
  }
  EXPECT_EQ(tasks_.count(), 1u);
}

// Nearly all numbers are in use: user 0 can still do something about it.
TEST_F(TaskRetired, TheLastNumbersAreForUserZero) {
  FakeHost host;
  Task* user = New(1, &host);
  user->credential.user = user->credential.effective_user = 9;
  std::uint32_t made = 0;
  while (tasks_.NewThread(user->number, 0).ok()) ++made;
  EXPECT_GT(made, NumberTable::kMax - 2 * NumberTable::kKept);
  EXPECT_EQ(tasks_.RequireRoom(user->number), Status::kLimitExceeded);
  FakeHost other;
  EXPECT_EQ(tasks_.RequireRoom(1), Status::kOk);
  New(1, &other);
  End(user, ExitKind::kExited, 0, {});
  EXPECT_EQ(Wait(1, Any()), Status::kOk);
}

}  // namespace
}  // namespace k42::proc
