// References that are kept beyond a call: late tickets find a sink, late handles are refused.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "cobj/handle_count.h"
#include "cobj/hold.h"
#include "cobj/make.h"
#include "global/cluster_counter.dispatch.h"
#include "global/cluster_counter.h"
#include "ipc/handle_table.h"
#include "ipc/ticket_sink.h"
#include "mem/heap.h"
#include "support/counted_object.h"
#include "support/node_fixture.h"
#include "unit/ipc/ticket_result_pages.h"

namespace k42::ipc {
namespace {

struct Dispatcher final : TicketSink::Owner {
  void TicketFired() override { ++woken; }
  Result<TicketSink*> Take(TicketSinks& sinks) { return sinks.Take(*this, &page, results); }

  abi::DispatcherPage page{};
  TicketResultPages results;
  int woken = 0;
};

using TicketSinkTest = test::ObjectFixture;

TEST_F(TicketSinkTest, TheNextDispatcherHasTheSinkAndNotTheTickets) {
  TicketSinks sinks;
  Dispatcher first, second;
  TicketSink* sink = first.Take(sinks).value();
  const cobj::Ticket late = {sink->self(), sink->Arm(7).value()};
  const cobj::Ticket fired = {sink->self(), sink->Arm(8).value()};
  EXPECT_EQ(fired.Fire(Status::kOk, 1), Status::kOk);
  EXPECT_EQ(first.woken, 1);
  EXPECT_FALSE(sink->Retire());
  sinks.Give(sink);
  EXPECT_EQ(late.Fire(Status::kOk, 2), Status::kAlreadyCompleted);  // nobody has it now

  // No object made meanwhile has its id: the sink was not destroyed.
  TicketSink* again = second.Take(sinks).value();
  ASSERT_EQ(again, sink);
  EXPECT_EQ(again->self(), late.sink);
  const cobj::Ticket present = {again->self(), again->Arm(7).value()};
  EXPECT_EQ(late.Fire(Status::kOk, 3), Status::kAlreadyCompleted);
  EXPECT_EQ(fired.Fire(Status::kOk, 3), Status::kAlreadyCompleted);
  EXPECT_EQ(second.woken, 0);
  EXPECT_EQ(present.Fire(Status::kOk, 4), Status::kOk);
  EXPECT_EQ(second.woken, 1);
  EXPECT_EQ(second.results.Of(7).value, 4u);
  EXPECT_EQ(first.woken, 1);
}

TEST_F(TicketSinkTest, TwoAtATimeAreTwo) {
  TicketSinks sinks;
  Dispatcher first, second;
  EXPECT_NE(first.Take(sinks).value(), second.Take(sinks).value());
}

// Processes are made on one CPU and end on another, for ever: their sinks come back.
TEST_F(TicketSinkTest, SinksGivenOnAnotherCpuComeBack) {
  TicketSinks sinks;
  Dispatcher dispatcher;
  std::set<TicketSink*> seen;
  for (int i = 0; i < 500; ++i) {
    TicketSink* sink = nullptr;
    machine::hosted::RunOn(i % 3, [&] { sink = dispatcher.Take(sinks).value(); });
    seen.insert(sink);
    machine::hosted::RunOn(3, [&] {
      EXPECT_FALSE(sink->Retire());
      sinks.Give(sink);
    });
  }
  EXPECT_LE(seen.size(), 64u);
}

// A CPU that stands still in the middle of a firing, until Go.
class StalledFiring final : public TicketPages {
 public:
  explicit StalledFiring(TicketSinks& sinks) { sink_ = sinks.Take(owner_, &page_, *this).value(); }
  void Begin() {
    const cobj::Ticket ticket = {sink_->self(), sink_->Arm(3).value()};
    firing_ = std::thread([this, ticket] {
      const machine::hosted::OnCpu on(1);
      EXPECT_EQ(ticket.Fire(Status::kOk, 1), Status::kOk);
      over_.store(true);
    });
    reached_.wait(false);
  }
  void Go() {
    go_.store(true);
    go_.notify_all();
  }
  ~StalledFiring() {
    Go();
    const machine::hosted::WithoutCpu without;
    firing_.join();
  }
  TicketSink& sink() { return *sink_; }
  bool over() const { return over_.load(); }
  bool told() const { return (page_.tickets_fired[0].load() >> 3 & 1) != 0; }

 private:
  struct Owner final : TicketSink::Owner {
    void TicketFired() override {}
  };
  // TicketPages
  Status Make(std::uint32_t page) override { return results_.Make(page); }
  abi::TicketResults::Entry* At(std::uint32_t page) override {
    reached_.store(true);
    reached_.notify_all();
    go_.wait(false);
    return results_.At(page);
  }

  Owner owner_;
  abi::DispatcherPage page_{};
  TicketResultPages results_;
  TicketSink* sink_ = nullptr;
  std::thread firing_;
  std::atomic<bool> reached_{false}, go_{false}, over_{false};
};

TEST_F(TicketSinkTest, WhoRetiresLearnsOfAFiringOnAnotherCpu) {
  TicketSinks sinks;
  StalledFiring firing(sinks);
  firing.Begin();
  EXPECT_TRUE(firing.sink().Retire());
  EXPECT_TRUE(firing.sink().Retire());
  firing.Go();
  EXPECT_TRUE(Eventually([&] { return firing.over(); }));
  EXPECT_FALSE(firing.sink().Retire());
}

// The bit of the last program's operation is not the next one's.
TEST_F(TicketSinkTest, TheNextProgramStartsAfterTheLastFiring) {
  TicketSinks sinks;
  StalledFiring firing(sinks);
  firing.Begin();
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    firing.Go();
  });
  firing.sink().tickets().CancelAll();
  EXPECT_FALSE(firing.told());
  EXPECT_TRUE(Eventually([&] { return firing.over(); }));
  EXPECT_FALSE(firing.told());
  later.join();
}

class HeldObjectTest : public test::ObjectFixture {
 protected:
  int ends_ = 0;
  const cobj::ObjectRef object_ = test::CountedObject::Make(&ends_);
};

TEST(HandleCount, GoneIsGone) {
  cobj::HandleCount count;
  EXPECT_FALSE(count.Drop());  // there was none
  EXPECT_EQ(count.Add(), Status::kOk);
  EXPECT_EQ(count.Add(), Status::kOk);
  EXPECT_FALSE(count.Drop());
  EXPECT_TRUE(count.Drop());
  EXPECT_EQ(count.Add(), Status::kDeleted);
  EXPECT_FALSE(count.Drop());
}

// What a call that goes on elsewhere does.
TEST_F(HeldObjectTest, AHoldOutlivesTheHandle) {
  HandleTable table(mem::TheHeap());
  const abi::Handle handle = table.Grant(object_).value();
  EXPECT_EQ(cobj::Hold(object_), Status::kOk);
  EXPECT_EQ(table.Close(handle), Status::kOk);
  EXPECT_EQ(ends_, 0);
  cobj::Release(object_);
  EXPECT_EQ(ends_, 1);
  EXPECT_EQ(cobj::Hold(object_), Status::kDeleted);
}

TEST_F(HeldObjectTest, AnObjectThatEndsGetsNoNewHandle) {
  HandleTable table(mem::TheHeap());
  const abi::Handle handle = table.Grant(object_).value();
  // A duplicate's way with the close in its middle.
  cobj::ObjectRef found;
  EXPECT_EQ(table.Resolve(handle, &found), Status::kOk);
  EXPECT_EQ(table.Close(handle), Status::kOk);
  EXPECT_EQ(table.Grant(found).status(), Status::kDeleted);
  EXPECT_EQ(table.GrantFixed(1, found), Status::kDeleted);
  EXPECT_EQ(table.count(), 0u);
  EXPECT_EQ(ends_, 1);
}

TEST_F(HeldObjectTest, AChildDoesNotInheritWhatEnds) {
  int other_ends = 0;
  const cobj::ObjectRef other = test::CountedObject::Make(&other_ends);
  HandleTable parent(mem::TheHeap());
  const abi::Handle first = parent.Grant(other).value();
  const abi::Handle handle = parent.Grant(object_).value();
  cobj::Release(object_);  // its last hold goes while the parent's entry is still there
  EXPECT_EQ(ends_, 1);
  {
    HandleTable child(mem::TheHeap());
    EXPECT_EQ(child.CopyAll(parent), Status::kDeleted);
    EXPECT_EQ(child.count(), 1u);
    child.CloseAll();
  }
  {
    HandleTable child(mem::TheHeap());
    const abi::Handle listed[] = {first, handle};
    EXPECT_EQ(child.CopyListed(parent, listed), Status::kDeleted);
    EXPECT_EQ(child.count(), 1u);
    child.CloseAll();
  }
  EXPECT_EQ(other_ends, 0);  // each copy held what it had, and no more
  parent.CloseAll();
  EXPECT_EQ(other_ends, 1);
}

// A counter of the cluster is removed by others while a process has handles for it.
class RemovedObjectTest : public test::ObjectFixture {
 protected:
  static constexpr int kMany = 3 * cobj::ObjectManager::kIdBatch;

  cobj::Ref<global::IClusterCounter> NewCounter() {
    return cobj::MakeShared<global::ClusterCounter>().value();
  }
  // Ids of destroyed objects that stay where they are: held, or of roots that gave theirs to
  // others.
  std::uint64_t Kept() {
    for (int i = 0; i < 5; ++i) {  // what was collected while the last batch waited is the next one
      objects_->FlushIds();
      EXPECT_TRUE(Eventually([&] { return objects_->grace().idle(); }));
    }
    return Waiting();
  }
  std::uint64_t Waiting() const {
    const auto counts = objects_->counts();
    return counts.destroyed - counts.recycled;
  }
  // All ids that may be reused are free in the end.
  bool OnlyKept(std::uint64_t count) {
    return Eventually([&] {
      objects_->FlushIds();
      return Waiting() == count && objects_->grace().idle();
    });
  }
  // Has any of many new counters this id? (Ids that were freed last are taken first.)
  bool Reused(cobj::RefBits bits) {
    std::vector<cobj::Ref<global::IClusterCounter>> counters;
    bool found = false;
    for (int i = 0; i < kMany; ++i) {
      counters.push_back(NewCounter());
      found |= counters.back().bits() == bits;
    }
    for (const auto counter : counters) EXPECT_EQ(cobj::Destroy(counter), Status::kOk);
    return found;
  }
};

TEST_F(RemovedObjectTest, AnOldHandleNamesNoOtherObject) {
  HandleTable table(mem::TheHeap());
  const std::uint64_t kept = Kept();
  const auto counter = NewCounter();
  const cobj::RefBits bits = counter.bits();
  const cobj::ObjectRef object = {bits, kAllRights, &global::kClusterCounterInfo};
  const abi::Handle handle = table.Grant(object).value();
  const abi::Handle second = table.Duplicate(handle, kAllRights).value();
  EXPECT_EQ(counter->Add(5).value(), 5u);
  EXPECT_EQ(cobj::Destroy(counter), Status::kOk);
  EXPECT_EQ(table.Close(second), Status::kOk);
  EXPECT_TRUE(OnlyKept(kept + 1));
  EXPECT_FALSE(Reused(bits));
  cobj::ObjectRef found;
  ASSERT_EQ(table.Resolve(handle, &found), Status::kOk);
  EXPECT_EQ(found.ref, bits);
  EXPECT_EQ(cobj::Ref<global::IClusterCounter>::FromBits(found.ref)->Read().status(),
            Status::kDeleted);
  {
    HandleTable child(mem::TheHeap());  // a fork does not fail for it
    EXPECT_EQ(child.CopyAll(table), Status::kOk);
    child.CloseAll();
  }
  EXPECT_TRUE(OnlyKept(kept + 1));
  EXPECT_EQ(table.Close(handle), Status::kOk);
  EXPECT_TRUE(OnlyKept(kept));  // no id is lost
  EXPECT_TRUE(Reused(bits));
}

// Closed before the removal, or after it and before its grace period is over.
TEST_F(RemovedObjectTest, AnIdThatNobodyHoldsComesBack) {
  HandleTable table(mem::TheHeap());
  for (const bool first : {true, false}) {
    const std::uint64_t kept = Kept();
    const auto counter = NewCounter();
    const abi::Handle handle =
        table.Grant({counter.bits(), kAllRights, &global::kClusterCounterInfo}).value();
    const Status before = first ? table.Close(handle) : Status::kOk;
    EXPECT_EQ(cobj::Destroy(counter), Status::kOk);
    const Status after = first ? Status::kOk : table.Close(handle);
    EXPECT_TRUE(before == Status::kOk && after == Status::kOk);
    EXPECT_TRUE(OnlyKept(kept));
  }
}

}  // namespace
}  // namespace k42::ipc
