// Clustered objects: miss, clustering, destruction.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cobj/make.h"
#include "cobj/marker.h"
#include "support/counter_kinds.h"
#include "support/counters.h"
#include "support/node_fixture.h"

namespace k42::cobj {
namespace {

using machine::hosted::RunOn;
using machine::hosted::RunOnAllCpus;
using test::ReplicatedCounter;
using test::SharedCounter;

class Objects : public test::ObjectFixture {
 protected:
  bool AllGone() const { return test::live_counters == live_before_; }
  const std::int64_t live_before_ = test::live_counters;  // of tests that leave theirs
};

TEST_F(Objects, FirstCallOnACpuMissesLaterOnesDoNot) {
  const auto counter = MakeShared<SharedCounter>().value();
  const std::uint64_t before = objects_->counts().misses;
  EXPECT_EQ(counter->Increment(3).value(), 3u);
  EXPECT_EQ(objects_->counts().misses, before + 1);
  EXPECT_EQ(counter->Increment(4).value(), 7u);
  EXPECT_EQ(counter->Value().value(), 7u);
  EXPECT_EQ(objects_->counts().misses, before + 1);
  RunOn(2, [&] { EXPECT_EQ(counter->Value().value(), 7u); });
  EXPECT_EQ(objects_->counts().misses, before + 2);
}

TEST_F(Objects, RepsAreMadeLazilyPerCluster) {
  Allocator& allocator = objects_->allocator();
  auto* root = allocator.Make<ReplicatedRoot<ReplicatedCounter>>(allocator, 1u).value();
  const auto counter = PublishRoot(root).value();
  EXPECT_EQ(root->rep_count(), 0u);
  for (machine::CpuId cpu : {1, 2, 3}) RunOn(cpu, [&] { (void)counter->Increment(cpu); });
  EXPECT_EQ(root->rep_count(), 3u);
  RunOn(2, [&] { EXPECT_EQ(counter->Value().value(), 6u); });
}

TEST_F(Objects, EveryClusteringFactorCountsRight) {
  for (const machine::CpuId cpus : {1, 2, 5, 16}) {
    machine::hosted::SetCpuCount(cpus);
    for (std::uint32_t factor = 1; factor <= cpus; factor *= 2) {
      Allocator& allocator = objects_->allocator();
      auto* root = allocator.Make<ReplicatedRoot<ReplicatedCounter>>(allocator, factor).value();
      const auto counter = PublishRoot(root).value();
      RunOnAllCpus([&](machine::CpuId) {
        for (int i = 0; i < 100; ++i) ASSERT_TRUE(counter->Increment(1).ok());
      });
      EXPECT_EQ(counter->Value().value(), 100u * cpus);
      EXPECT_EQ(root->rep_count(), (cpus + factor - 1) / factor);
      EXPECT_EQ(Destroy(counter), Status::kOk);
    }
  }
}

TEST_F(Objects, StaleReferenceAnswersDeleted) {
  for (const test::CounterKind& kind : test::CounterKinds()) {
    const auto counter = kind.Make().value();
    RunOnAllCpus([&](machine::CpuId) { (void)counter->Increment(1); });
    EXPECT_EQ(Destroy(counter), Status::kOk);
    EXPECT_EQ(Destroy(counter), Status::kDeleted);
    EXPECT_TRUE(Eventually([&] { return AllGone(); }));
    EXPECT_EQ(counter->Increment(1).status(), Status::kDeleted);
    RunOn(3, [&] { EXPECT_EQ(counter->Value().status(), Status::kDeleted); });
  }
}

TEST_F(Objects, ObjectOfOneCpuGoesWithoutMessages) {
  const std::uint64_t local = objects_->counts().local;
  const std::uint64_t before = objects_->grace().token_moves();
  for (int i = 0; i < 10; ++i) {
    const auto counter = MakeShared<SharedCounter>().value();
    (void)counter->Increment(1);
    EXPECT_EQ(Destroy(counter), Status::kOk);
  }
  EXPECT_TRUE(Eventually([&] { return AllGone(); }));
  EXPECT_EQ(objects_->grace().token_moves(), before);
  EXPECT_EQ(objects_->counts().local, local + 10);
}

TEST_F(Objects, IdsComeBackAfterAFurtherGracePeriod) {
  const std::uint64_t before = objects_->counts().recycled;
  const auto counter = MakeShared<SharedCounter>().value();
  const RefBits bits = counter.bits();
  EXPECT_EQ(Destroy(counter), Status::kOk);
  EXPECT_TRUE(Eventually([&] { return AllGone(); }));
  EXPECT_EQ(objects_->counts().recycled, before);
  objects_->FlushIds();
  EXPECT_TRUE(Eventually([&] { return objects_->counts().recycled == before + 1; }));
  EXPECT_EQ(MakeShared<SharedCounter>().value().bits(), bits);
}

TEST_F(Objects, AnActiveThreadElsewhereDelaysAMarker) {
  static std::atomic<int> stage;
  stage = 0;
  static machine::Thread* holder;
  holder = machine::Thread::Create(
               "holder",
               [](void*) {
                 stage = 1;
                 while (stage != 2) machine::Thread::Block();  // active all the time
               },
               nullptr, 2)
               .value();
  while (stage != 1) std::this_thread::yield();
  Marker node, here;
  node.Set(Marker::Scope::kNode);
  here.Set(Marker::Scope::kCpu);
  EXPECT_TRUE(Eventually([&] { return here.elapsed(); }));
  for (int i = 0; i < 20; ++i) test::QuietPoint();
  EXPECT_FALSE(node.elapsed());
  stage = 2;
  holder->Unblock();
  EXPECT_TRUE(Eventually([&] { return node.elapsed(); }));
}

// Who is active for more than 100 ms while somebody waits for a grace period is named.
TEST_F(Objects, WhoHoldsAGenerationIsReported) {
  static std::atomic<bool> end;
  end = false;
  machine::Thread* const holder = machine::Thread::Create(
                                      "the test's holder",
                                      [](void*) {
                                        while (!end)
                                          machine::Thread::Block();  // active all the time
                                      },
                                      nullptr, 2)
                                      .value();
  Marker node;
  node.Set(Marker::Scope::kNode);
  // First the report, then its call chain, of which a hosted thread knows the thread alone.
  constexpr std::string_view kReport =
      " of CPU 2 is held for 100 ms by thread the test's holder\n  thread the test's holder of CPU "
      "2";
  std::string log;
  for (int i = 0; i < 200 && log.find(kReport) == std::string::npos; ++i) {
    testing::internal::CaptureStderr();
    for (int n = 0; n < 10; ++n) {
      test::QuietPoint();  // the token comes by here, too
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    log += testing::internal::GetCapturedStderr();
  }
  EXPECT_NE(log.find(kReport), std::string::npos) << log;
  EXPECT_FALSE(node.elapsed());
  end = true;
  holder->Unblock();
  EXPECT_TRUE(Eventually([&] { return node.elapsed(); }));
}

class ObjectRaces : public Objects {
 protected:
  void Run(const test::CounterKind& kind);
};

void ObjectRaces::Run(const test::CounterKind& kind) {
  static std::atomic<RefBits> current;
  current = 0;
  constexpr int kRounds = 400;
  std::atomic<std::uint64_t> deleted{0}, answered{0};
  RunOnAllCpus([&](machine::CpuId cpu) {
    for (int i = 0; i < kRounds; ++i) {
      if (i % machine::CpuCount() == cpu) {
        const auto made = kind.Make(1000).value();
        const RefBits old = current.exchange(made.bits());
        if (old != 0) {
          EXPECT_EQ(Destroy(Ref<idl::ICounter>::FromBits(old)), Status::kOk);
        }
      }
      for (int n = 0; n < 20; ++n) {
        const auto ref = Ref<idl::ICounter>::FromBits(current.load());
        if (!ref)
          continue;
        const auto value = ref->Increment(1);
        if (value.ok()) {
          ++answered;
          ASSERT_GT(value.value(), 1000u);
          ASSERT_LT(value.value(), 1'000'000u);
        } else {
          ++deleted;
          ASSERT_EQ(value.status(), Status::kDeleted);
        }
      }
      test::QuietPoint();
    }
  });
  EXPECT_GT(answered.load(), 1000u);
  EXPECT_EQ(Destroy(Ref<idl::ICounter>::FromBits(current.load())), Status::kOk);
  EXPECT_TRUE(Eventually([&] { return AllGone(); }));
}

TEST_F(ObjectRaces, OfCreateCallDestroyNeverReachFreedMemory) {
  for (const test::CounterKind& kind : test::CounterKinds()) Run(kind);
}

// A thread that makes and destroys without pause gets ahead of the disposals by so much and no
// more.
TEST_F(Objects, WhoDestroysFasterThanTheyGoIsHeldBack) {
  std::uint64_t most = 0;
  for (int i = 0; i < 5000; ++i) {
    const auto made = MakeShared<SharedCounter>().value();
    EXPECT_TRUE(made->Increment(1).ok());
    EXPECT_EQ(Destroy(made), Status::kOk);
    most = std::max(most, objects_->manager_here().away());
    QuietPoint();  // without giving up the CPU: nothing else is done there meanwhile
    HoldBackIfDestroyed();
  }
  EXPECT_GT(most, ObjectManager::kMostAway / 2);
  EXPECT_LE(most, ObjectManager::kMostAway + 1);
}

// Who serves others does not wait for it at its quiet points, nor does who has destroyed nothing.
TEST_F(Objects, NobodyElseIsHeldBack) {
  static ObjectSystem* objects;
  static std::uint64_t away;
  objects = objects_;
  for (std::uint64_t i = 0; i < ObjectManager::kMostAway + 10; ++i) {
    EXPECT_EQ(Destroy(MakeShared<SharedCounter>().value()), Status::kOk);
  }
  away = objects_->manager_here().away();
  ASSERT_TRUE(objects_->manager_here().behind());
  QuietPoint();
  EXPECT_EQ(objects_->manager_here().away(), away);
  static std::atomic<bool> over;
  over = false;
  const auto other = machine::Thread::Create(
      "other",
      [](void*) {
        // What has gone until it has its turn is no matter.
        if (objects->manager_here().behind()) {
          away = objects->manager_here().away();
          HoldBackIfDestroyed();
          EXPECT_EQ(objects->manager_here().away(), away);
        }
        over = true;
        machine::Thread::Exit();
      },
      nullptr, 0);
  ASSERT_TRUE(other.ok());
  while (!over) machine::Thread::Yield();
  HoldBackIfDestroyed();
  EXPECT_FALSE(objects_->manager_here().behind());
}

// The token does not wait for the disposal of all that it brought the time for.
TEST_F(Objects, TheTokenGoesOnBeforeManyWaitsAreCalledBack) {
  constexpr std::uint32_t kWaits = 10 * Grace::kPiece;
  static Grace* grace;
  static std::uint32_t over;
  static std::uint64_t first_moves, last_moves;
  static bool later_over;
  static GraceWait later;  // keeps the token going round
  grace = &objects_->grace();
  over = 0;
  later_over = false;
  later.done = [](GraceWait*) { later_over = true; };
  std::vector<GraceWait> waits(kWaits);
  for (GraceWait& wait : waits) {
    wait.done = [](GraceWait*) {
      if (over++ == 0) {
        first_moves = grace->token_moves();
        grace->AfterGlobal(&later);
      }
      last_moves = grace->token_moves();
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    };
    grace->AfterGlobal(&wait);
  }
  EXPECT_TRUE(Eventually([&] { return over == kWaits && later_over; }));
  EXPECT_GT(last_moves, first_moves + 1);
}

using ObjectsDeath = Objects;

TEST_F(ObjectsDeath, CallUnderASpinLockAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto counter = MakeShared<SharedCounter>().value();
  machine::SpinLock<LockRank::kSpinTest> lock;
  EXPECT_DEATH((lock.Lock(), (void)counter->Value()), "object called while holding a spin lock");
}

}  // namespace
}  // namespace k42::cobj
