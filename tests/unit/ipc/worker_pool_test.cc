// Threads on which work may wait: who is first when all of them wait.
#include "ipc/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <vector>

#include "support/node_fixture.h"

namespace k42::ipc {
namespace {

// Waits until Go, as a call of a server that does not answer.
struct Waiting : Work {
  explicit Waiting(std::atomic<bool>& go_in) : go(go_in) {
    run = [](Work* work) { static_cast<Waiting*>(work)->Run(); };
  }
  void Run() {
    thread.store(machine::Thread::Current());
    while (!go.load()) machine::Thread::BlockExternal();
    over.store(true);
  }
  void Go() {
    if (machine::Thread* blocked = thread.load())
      blocked->Unblock();
  }
  std::atomic<bool>& go;
  std::atomic<machine::Thread*> thread{nullptr};
  std::atomic<bool> over{false};
};
struct Short : Work {
  Short() {
    run = [](Work* work) { static_cast<Short*>(work)->over.store(true); };
  }
  std::atomic<bool> over{false};
};

class WorkerPoolTest : public test::ObjectFixture {
 protected:
  WorkerPoolTest() {
    for (std::uint32_t i = 0; i < WorkerPool::kMaxThreads + 3; ++i)
      waiting_.push_back(std::make_unique<Waiting>(go_));
  }
  // All threads, and some in the queue.
  void Occupy() {
    for (const auto& each : waiting_) EXPECT_EQ(WorkerPool::Here().Submit(each.get()), Status::kOk);
    EXPECT_TRUE(Eventually([&] {
      std::uint32_t begun = 0;
      for (const auto& each : waiting_) begun += each->thread.load() != nullptr ? 1 : 0;
      return begun == WorkerPool::kMaxThreads;
    }));
  }
  void Release() {
    go_.store(true);
    for (const auto& each : waiting_) each->Go();
    EXPECT_TRUE(Eventually([&] {
      for (const auto& each : waiting_) {
        if (!each->over.load())
          return false;
      }
      return true;
    }));
  }

  std::atomic<bool> go_{false};
  std::vector<std::unique_ptr<Waiting>> waiting_;
};

TEST_F(WorkerPoolTest, WhatGoesFirstWaitsForNobodysServer) {
  Occupy();
  Short first[3], behind;
  EXPECT_EQ(WorkerPool::Here().Submit(&behind), Status::kOk);
  for (Short& each : first) {
    EXPECT_EQ(WorkerPool::Here().SubmitFirst(&each), Status::kOk);
    EXPECT_TRUE(Eventually([&] { return each.over.load(); }));
  }
  EXPECT_FALSE(behind.over.load());  // the one in reserve is for nothing else
  Release();
  EXPECT_TRUE(Eventually([&] { return behind.over.load(); }));
}

// Those that go first may wait, too: then they share what comes free.
TEST_F(WorkerPoolTest, OneThatGoesFirstAndWaitsHoldsUpTheNextOnlyUntilAThreadIsFree) {
  Occupy();
  std::atomic<bool> never_mind{false};
  Waiting slow(never_mind);
  Short next;
  EXPECT_EQ(WorkerPool::Here().SubmitFirst(&slow), Status::kOk);
  EXPECT_TRUE(Eventually([&] { return slow.thread.load() != nullptr; }));
  EXPECT_EQ(WorkerPool::Here().SubmitFirst(&next), Status::kOk);
  Release();
  EXPECT_TRUE(Eventually([&] { return next.over.load(); }));
  EXPECT_FALSE(slow.over.load());
  never_mind.store(true);
  slow.Go();
  EXPECT_TRUE(Eventually([&] { return slow.over.load(); }));
}

TEST_F(WorkerPoolTest, WithoutWorkOneThreadDoesIt) {
  Short first;
  EXPECT_EQ(WorkerPool::Here().SubmitFirst(&first), Status::kOk);
  EXPECT_TRUE(Eventually([&] { return first.over.load(); }));
}

}  // namespace
}  // namespace k42::ipc
