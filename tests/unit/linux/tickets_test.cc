// Wait tickets: all different, few numbers over and over, some kept for calls.
#include "user/linux/tickets.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <vector>

namespace k42::personality {
namespace {

struct Counter final : TicketUser {
  void TicketFired(std::uint32_t) override { ++fired; }
  int fired = 0;
};

class TicketsTest : public testing::Test {
 protected:
  TicketsTest() { tickets_->SetFirst(2 * abi::kTicketCount); }
  ~TicketsTest() override {
    tickets_->Reset();
    tickets_->FreeMemory();
  }
  std::unique_ptr<Tickets> tickets_ = std::make_unique<Tickets>();
  Counter user_;
};

TEST_F(TicketsTest, AllOfThemAndNoMore) {
  std::set<std::uint32_t> seen;
  for (std::uint32_t i = 0; i < abi::kTicketCount; ++i) {
    seen.insert(tickets_->Take(&user_));
  }
  EXPECT_EQ(seen.size(), abi::kTicketCount);
  EXPECT_EQ(*seen.begin(), 2 * abi::kTicketCount);
  EXPECT_EQ(*seen.rbegin(), 3 * abi::kTicketCount - 1);
  EXPECT_EQ(tickets_->Take(&user_), kNoTicket);
}

TEST_F(TicketsTest, SomeAreKeptForCalls) {
  for (std::uint32_t i = 0; i < abi::kTicketCount - Tickets::kForCalls; ++i) {
    ASSERT_NE(tickets_->TakeForWatch(&user_), kNoTicket);
  }
  EXPECT_EQ(tickets_->TakeForWatch(&user_), kNoTicket);
  EXPECT_NE(tickets_->Take(&user_), kNoTicket);
}

// What is looked at for fired ones, and copied by a fork, ends with the highest that was ever
// taken.
TEST_F(TicketsTest, TheLowestFreeWordComesFirst) {
  std::vector<std::uint32_t> taken;
  for (int i = 0; i < 1000; ++i) {
    taken.push_back(tickets_->Take(&user_));
  }
  for (const std::uint32_t ticket : taken) {
    tickets_->Release(ticket);
  }
  for (int i = 0; i < 1000; ++i) {
    const std::uint32_t ticket = tickets_->Take(&user_);
    EXPECT_EQ(ticket, taken[0]);
    tickets_->Release(ticket);
  }
  std::set<std::uint32_t> again;
  for (int i = 0; i < 1000; ++i) {
    again.insert(tickets_->Take(&user_));
  }
  EXPECT_EQ(again, std::set<std::uint32_t>(taken.begin(), taken.end()));
}

TEST_F(TicketsTest, FiredOnesTellTheirUsers) {
  auto page = std::make_unique<abi::DispatcherPage>();
  Counter other;
  const std::uint32_t first = tickets_->Take(&user_), second = tickets_->Take(&other);
  page->tickets_fired[0].store(1ull << OwnTicket(second));
  EXPECT_TRUE(tickets_->TakeFired(page.get()));
  EXPECT_FALSE(tickets_->TakeFired(page.get()));
  EXPECT_EQ(user_.fired, 0);
  EXPECT_EQ(other.fired, 1);
  tickets_->Release(first);
  tickets_->Release(second);
}

}  // namespace
}  // namespace k42::personality
