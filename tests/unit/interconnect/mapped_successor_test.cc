// A daemon dies, and its successor must not give memory back that a neighbour of the dead one's may
// still write to.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "interconnect/arena_holders.h"
#include "unit/interconnect/test_fabric.h"

namespace k42::interconnect {
namespace {

constexpr Token kRevocation = 777;
constexpr std::size_t kSize = 1024;

// Node 1 is here, its neighbour in a process of its own.
class Successor : public ::testing::Test {
 protected:
  Successor() {
    window_ = target().Open(1, 0, 4096, abi::kAccessAll, {});
    put_.kind = OperationKind::kPut;
    put_.peer = target().id();
    put_.window = window_;
    put_.local_offset = neighbour().data();
    put_.length = kSize;
    neighbour().Write(0, std::string(kSize, 'a'));
    EXPECT_EQ(fabric_.Run(2, put_).outcome, Outcome::kDone);
  }
  LocalNode& target() { return dynamic_cast<LocalNode&>(fabric_.node(1)); }
  RemoteNode& neighbour() { return fabric_.remote(2); }

  // As when the process is another one: nothing is left but the arena.
  void RestartTheTarget() {
    target().transport.reset();
    target().transport = fabric_.kind().Make(target());
    ASSERT_NE(target().transport, nullptr);
  }
  void Revoke() {
    target().CloseWindow(1);
    target().RevokeWindow(kRevocation, window_);
  }
  bool Revoked() { return target().recorder.Find(kRevocation) != nullptr; }

  const ForkedAgents agents_{"mapped"};
  TestFabric fabric_{MakeMappedKind(), 2, &agents_};
  abi::WindowId window_ = 0;
  Request put_;
};

TEST_F(Successor, WaitsForWhomItsPredecessorLetIn) {
  neighbour().Stop();
  RestartTheTarget();
  Revoke();
  fabric_.Wait(300'000'000);
  EXPECT_FALSE(Revoked());
  neighbour().Continue();  // it sees the end of its connection, and unmaps
  EXPECT_TRUE(fabric_.Until([this] { return Revoked(); }));
}

TEST_F(Successor, TheOneAfterItWaitsToo) {
  neighbour().Stop();
  RestartTheTarget();
  RestartTheTarget();
  Revoke();
  fabric_.Wait(300'000'000);
  EXPECT_FALSE(Revoked());
  neighbour().Continue();
  EXPECT_TRUE(fabric_.Until([this] { return Revoked(); }));
}

TEST_F(Successor, DoesNotWaitForOneThatHasUnmapped) {
  RestartTheTarget();
  fabric_.Wait(200'000'000);  // it sees the end
  neighbour().Stop();
  Revoke();
  EXPECT_TRUE(Revoked());
  neighbour().Continue();
}

// Then its connection is what is waited for.
TEST_F(Successor, OneThatIsConnectedAnewIsAskedByItsConnection) {
  RestartTheTarget();
  target().AddPeer(TestFabric::InfoOf(neighbour()));
  ASSERT_TRUE(fabric_.Until([this] { return fabric_.Run(2, put_).outcome == Outcome::kDone; }));
  neighbour().Stop();
  Revoke();
  fabric_.Wait(200'000'000);
  EXPECT_FALSE(Revoked());
  neighbour().Continue();
  EXPECT_TRUE(fabric_.Until([this] { return Revoked(); }));
}

// A process that has an arena mapped, or only might.
class Holders : public ::testing::Test {
 protected:
  ~Holders() override {
    if (child_ > 0)
      End();
  }
  // Enters a child of ours, which maps the arena if `maps`, as the predecessor has.
  ArenaHolders::Slot Enter(bool maps) {
    int ready[2];
    EXPECT_EQ(pipe(ready), 0);
    child_ = fork();
    if (child_ == 0) {
      // The fork has our mapping, as a neighbour's process has one of its own.
      if (!maps)
        munmap(arena_->At(0), arena_->size());
      [[maybe_unused]] ssize_t said = write(ready[1], "x", 1);
      for (;;) pause();
    }
    char word;
    EXPECT_EQ(read(ready[0], &word, 1), 1);
    close(ready[0]);
    close(ready[1]);
    std::vector<ArenaHolders::Slot> let_go;
    ArenaHolders predecessor(*arena_);
    const auto slot = predecessor.Enter(ProcessOf(child_), &let_go);
    EXPECT_TRUE(slot.ok());
    return slot.value();
  }
  void End() {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    child_ = -1;
  }
  static ArenaHolders::Process ProcessOf(pid_t process) {
    std::ifstream file("/proc/" + std::to_string(process) + "/stat");
    std::string line;
    std::getline(file, line);
    std::istringstream fields(line.substr(line.rfind(')') + 1));
    std::string field;
    for (int i = 3; i <= 22; ++i) fields >> field;
    return {static_cast<std::uint32_t>(process), std::stoull(field)};
  }

  std::unique_ptr<Arena> arena_ = Arena::CreateFormatted(4 << 20, 1);
  ArenaHolders holders_{*arena_};
  pid_t child_ = -1;
};

TEST_F(Holders, AMappingHoldsUntilItsProcessEnds) {
  const auto slot = Enter(true);
  holders_.Adopt();
  EXPECT_EQ(holders_.HeirsHolding(), std::vector{slot});
  End();
  EXPECT_TRUE(holders_.HeirsHolding().empty());
  EXPECT_EQ(arena_->daemon().holders[slot].state.load(), 0u);
}

// The descriptor may still be on its way: not now, but it may hold later.
TEST_F(Holders, WithoutAMappingItIsForgottenIfItHasSpoken) {
  const auto slot = Enter(false);
  holders_.Adopt();
  EXPECT_TRUE(holders_.HeirsHolding().empty());
  EXPECT_EQ(arena_->daemon().holders[slot].state.load(), abi::kHolderGiven);
  holders_.Spoke(slot);
  EXPECT_TRUE(holders_.HeirsHolding().empty());
  EXPECT_EQ(arena_->daemon().holders[slot].state.load(), 0u);
}

// This process has no descriptor left to look with.
TEST_F(Holders, WhoCannotBeLookedAtHolds) {
  const auto slot = Enter(false);
  holders_.Adopt();
  holders_.Spoke(slot);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const bool holds = holders_.HeirHolds(slot);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(holds);
  EXPECT_FALSE(holders_.HeirHolds(slot));
}

TEST_F(Holders, AnotherProcessOfThatNumberIsNoHeir) {
  const auto slot = Enter(true);
  arena_->daemon().holders[slot].started += 1;
  holders_.Adopt();
  EXPECT_TRUE(holders_.HeirsHolding().empty());
}

TEST_F(Holders, WhoIsGivenItAnewHasLetGo) {
  const auto slot = Enter(true);
  holders_.Adopt();
  std::vector<ArenaHolders::Slot> let_go;
  const auto again = holders_.Enter(ProcessOf(child_), &let_go);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(let_go, std::vector{slot});
  EXPECT_TRUE(holders_.HeirsHolding().empty());
}

TEST_F(Holders, FullIsFull) {
  std::vector<ArenaHolders::Slot> let_go;
  for (std::uint32_t i = 0; i < abi::kMaxHolders; ++i)
    ASSERT_TRUE(holders_.Enter({1000 + i, 1}, &let_go).ok());
  EXPECT_EQ(holders_.Enter({1, 1}, &let_go).status(), Status::kNoSpace);
  holders_.Leave(7);
  EXPECT_EQ(holders_.Enter({1, 1}, &let_go).value(), 7u);
}

// A kernel that writes nonsense there harms nobody.
TEST_F(Holders, NonsenseIsNobody) {
  for (std::uint32_t i = 0; i < abi::kMaxHolders; ++i) {
    arena_->daemon().holders[i].state.store(i * 0x01010101);
    arena_->daemon().holders[i].process = ~i;
    arena_->daemon().holders[i].started = i;
  }
  holders_.Adopt();
  EXPECT_TRUE(holders_.HeirsHolding().empty());
}

}  // namespace
}  // namespace k42::interconnect
