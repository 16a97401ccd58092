// The tickets that wait for one end of a stream, where they are more than are looked at at a time:
// who fires, in which order, and once each while others arm and disarm.
#include "io/ready_list.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <vector>

#include "abi/dispatcher_page.h"
#include "cobj/make.h"
#include "cobj/ticket.idl.h"
#include "support/node_fixture.h"

namespace k42::io {
namespace {

using machine::hosted::RunOnAllCpus;

constexpr std::uint32_t kTickets = 1000;

class Sink final : public cobj::ITicketSink {
 public:
  using Interface = cobj::ITicketSink;
  explicit Sink(std::array<std::atomic<int>, abi::kTicketCount>* fired,
                std::vector<std::uint32_t>* order)
      : fired_(*fired), order_(order) {}
  Result<std::uint32_t> Arm(std::uint32_t number) override { return number; }
  Status Fire(std::uint32_t number, std::int64_t, std::uint64_t) override {
    ++fired_[number];
    if (order_ != nullptr)
      order_->push_back(number);
    return Status::kOk;
  }

 private:
  std::array<std::atomic<int>, abi::kTicketCount>& fired_;
  std::vector<std::uint32_t>* const order_;
};

class ReadyLists : public test::ObjectFixture {
 protected:
  void SetUp() override {
    ObjectFixture::SetUp();
    sink_ = cobj::MakeShared<Sink>(&fired_, &order_).value();
  }
  void TearDown() override {
    EXPECT_EQ(cobj::Destroy(sink_), Status::kOk);
    ObjectFixture::TearDown();
  }
  Status Arm(std::uint32_t number, std::uint32_t mask, std::uint64_t since = abi::kArmLevel) {
    return list_.Arm(mask, since, {sink_, number});
  }
  void Change(std::uint32_t bit, bool on) {
    Wakeups wakeups;
    list_.Update(bit, on ? bit : 0, on ? bit : 0, wakeups);
  }
  // As a program's call, whose tickets are the sink's.
  void Disarm(std::uint32_t number) {
    cobj::CallContext caller;
    caller.process = 1;
    caller.tickets = sink_;
    list_.Disarm(caller, number);
  }

  std::array<std::atomic<int>, abi::kTicketCount> fired_ = {};
  std::vector<std::uint32_t> order_;
  cobj::Ref<cobj::ITicketSink> sink_;
  ReadyList list_;
};

TEST_F(ReadyLists, ThoseConcernedFireInOrderHoweverManyWait) {
  for (std::uint32_t i = 0; i < kTickets; ++i)
    EXPECT_EQ(Arm(i, i % 3 == 0 ? abi::kReadable : abi::kWritable), Status::kOk);
  Change(abi::kReadable, true);
  ASSERT_EQ(order_.size(), (kTickets + 2) / 3);
  for (std::uint32_t i = 0; i < order_.size(); ++i) EXPECT_EQ(order_[i], 3 * i);
  Change(abi::kWritable, true);
  for (std::uint32_t i = 0; i < kTickets; ++i) EXPECT_EQ(fired_[i].load(), 1) << i;
  Change(abi::kReadable, true);
  EXPECT_EQ(order_.size(), kTickets);
}

TEST_F(ReadyLists, EdgesAreNotWhatWasThereBefore) {
  Change(abi::kReadable, true);
  const std::uint64_t since = list_.Word();
  for (std::uint32_t i = 0; i < kTickets; ++i)
    EXPECT_EQ(Arm(i, abi::kReadable | abi::kWritable, since), Status::kOk);
  Change(abi::kReadable, false);
  EXPECT_TRUE(order_.empty());
  Change(abi::kReadable, true);
  EXPECT_EQ(order_.size(), kTickets);
}

TEST_F(ReadyLists, TheOneThatIsForgottenOrArmedAgainIsFoundBehindMany) {
  for (std::uint32_t i = 0; i < kTickets; ++i) EXPECT_EQ(Arm(i, abi::kReadable), Status::kOk);
  Disarm(kTickets - 1);
  EXPECT_EQ(Arm(kTickets - 2, abi::kReadable), Status::kOk);
  EXPECT_EQ(Arm(0, abi::kWritable), Status::kOk);
  Change(abi::kReadable, true);
  for (std::uint32_t i = 0; i < kTickets; ++i)
    EXPECT_EQ(fired_[i].load(), i != 0 && i != kTickets - 1 ? 1 : 0) << i;
  Change(abi::kWritable, true);
  EXPECT_EQ(fired_[0].load(), 1);
}

// Two directions of a stream change, while tickets come and go: who waits for what came last is
// told, once for each arming.
TEST_F(ReadyLists, NobodyIsForgottenWhileOthersComeAndGo) {
  EXPECT_EQ(cobj::Destroy(sink_), Status::kOk);
  sink_ = cobj::MakeShared<Sink>(&fired_, nullptr).value();  // many CPUs': no order
  constexpr std::uint32_t kEach = 400;
  std::atomic<std::uint32_t> arming{machine::CpuCount() - 2};
  RunOnAllCpus([&](machine::CpuId cpu) {
    if (cpu < 2) {
      const std::uint32_t bit = cpu == 0 ? abi::kReadable : abi::kWritable;
      while (arming != 0) {
        Change(bit, true);
        Change(bit, false);
        test::QuietPoint();
      }
      Change(bit, true);
      return;
    }
    for (std::uint32_t i = 0; i < kEach; ++i) {
      const std::uint32_t number = cpu * kEach + i;
      EXPECT_EQ(Arm(number, cpu % 2 == 0 ? abi::kReadable : abi::kWritable), Status::kOk);
      if (i % 8 == 7)
        Disarm(number);
    }
    --arming;
  });
  for (std::uint32_t number = 2 * kEach; number < machine::CpuCount() * kEach; ++number) {
    if (number % kEach % 8 == 7)
      EXPECT_LE(fired_[number].load(), 1) << number;
    else
      EXPECT_EQ(fired_[number].load(), 1) << number;
  }
}

}  // namespace
}  // namespace k42::io
