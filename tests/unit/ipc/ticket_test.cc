// Tickets end exactly once: every interleaving of firing, cancelling and using the number again.
// And of a firing and the dispatcher's end, or its next program.
#include <gtest/gtest.h>

#include <memory>

#include "ipc/ticket_table.h"
#include "ipc/ticket_word.h"
#include "model/interleave.h"
#include "support/node_fixture.h"
#include "unit/ipc/ticket_result_pages.h"

namespace k42::ipc {
namespace {

using ModelWord = TicketWordOver<model::Atomic>;

// Steps belong to threads: the first one arms, the others wait for that.
struct ArmedWord : ModelWord {
  std::uint32_t ArmFirst() {
    const std::uint32_t generation = Arm().value();
    armed = true;
    return generation;
  }
  void AwaitArmed() {
    model::Wait([this] { return armed; });
  }
  bool Fire(std::uint32_t generation) {
    return ModelWord::Fire(
        generation, [] {}, [] {});
  }
  bool armed = false;
};
using model::Exploration;
using model::Explore;
using model::Program;

TEST(TicketWord, EitherFiredOrCancelled) {
  struct World {
    ArmedWord word;
    bool fired = false;
    bool cancelled = false;
  };
  const Exploration result = Explore([] {
    auto world = std::make_shared<World>();
    return Program{{[world] {
                      const std::uint32_t generation = world->word.ArmFirst();
                      world->fired = world->word.Fire(generation);
                    },
                    [world] {
                      world->word.AwaitArmed();
                      world->cancelled = world->word.Cancel();
                    }},
                   [world]() -> std::string {
                     return world->fired != world->cancelled ? "" : "both, or neither";
                   }};
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
}

TEST(TicketWord, OfTwoFiringsOneWins) {
  struct World {
    ArmedWord word;
    int fired = 0;
  };
  const Exploration result = Explore([] {
    auto world = std::make_shared<World>();
    const auto fire = [world](std::uint32_t generation) {
      world->fired += world->word.Fire(generation) ? 1 : 0;
    };
    return Program{{[world, fire] { fire(world->word.ArmFirst()); },
                    [world, fire] {
                      world->word.AwaitArmed();
                      fire(0);  // the first generation
                    },
                    [world] {
                      world->word.AwaitArmed();
                      (void)world->word.Cancel();
                    }},
                   [world]() -> std::string { return world->fired <= 1 ? "" : "fired twice"; }};
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
}

// The operation of the first use is given up and the number used again while the first fires late.
TEST(TicketWord, AnOldOperationNeverEndsANewOne) {
  struct World {
    ArmedWord word;
    bool old_fired = false;
    bool cancelled = false;
    bool armed_again = false;
    bool new_fired = false;
  };
  const Exploration result = Explore([] {
    auto world = std::make_shared<World>();
    return Program{{[world] {
                      const std::uint32_t old = world->word.ArmFirst();
                      world->old_fired = world->word.Fire(old);
                    },
                    [world] {
                      world->word.AwaitArmed();
                      world->cancelled = world->word.Cancel();
                      const auto next = world->word.Arm();
                      if (!next.ok())
                        return;  // a result is being written: use it later
                      world->armed_again = true;
                      world->new_fired = world->word.Fire(next.value());
                    }},
                   [world]() -> std::string {
                     if (world->armed_again && !world->new_fired)
                       return "the new operation was ended by the old one";
                     return world->old_fired && world->cancelled ? "fired and cancelled" : "";
                   }};
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
}

// User space takes the bit and gives the number to its next operation at once.
TEST(TicketWord, WhoSeesTheBitCanArm) {
  struct World {
    ArmedWord word;
    model::Atomic<std::uint64_t> bits{0};
    Status armed = Status::kOk;
  };
  const Exploration result = Explore([] {
    auto world = std::make_shared<World>();
    return Program{{[world] {
                      (void)world->word.ModelWord::Fire(
                          world->word.ArmFirst(), [] {},
                          [world] { world->bits.fetch_or(1, std::memory_order_release); });
                    },
                    [world] {
                      model::Wait([world] { return world->bits.Peek() != 0; });
                      (void)world->bits.exchange(0, std::memory_order_acquire);
                      world->armed = world->word.Arm().status();
                    }},
                   [world]() -> std::string {
                     return world->armed == Status::kOk ? "" : "refused, though the bit was there";
                   }};
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
}

// A firing is at the pages and the dispatcher, of which nothing else tells that it is: they must be
// there until it is through. `counted`: by its Firing; else as if the word said it all.
Exploration FiringAndEnd(bool counted) {
  struct World {
    ArmedWord word;
    FiringCountOver<model::Atomic> firings;
    model::Atomic<std::uint32_t> page{1};  // 0: it is somebody else's by now
    bool used_late = false;

    void Use() { used_late |= page.load() == 0; }
  };
  return Explore([counted] {
    auto world = std::make_shared<World>();
    return Program{{[world, counted] {
                      const std::uint32_t generation = world->word.ArmFirst();
                      if (counted)
                        world->firings.Enter();
                      const auto use = [world] { world->Use(); };
                      if (world->word.ModelWord::Fire(generation, use, use))
                        world->Use();  // the dispatcher is woken
                      if (counted)
                        world->firings.Leave();
                    },
                    [world] {
                      world->word.AwaitArmed();
                      (void)world->word.Cancel();
                      if (!world->firings.any())
                        world->page.store(0);
                    }},
                   [world]() -> std::string {
                     return world->used_late ? "a firing was at what had gone" : "";
                   }};
  });
}

TEST(TicketWord, AFiringIsCountedUntilItIsThrough) {
  const Exploration result = FiringAndEnd(true);
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
  EXPECT_NE(FiringAndEnd(false).failure, "");
}

class TicketTableTest : public ::testing::Test {
 protected:
  TicketTableTest()
      : page_(std::make_unique<abi::DispatcherPage>()), table_(std::make_unique<TicketTable>()) {
    table_->Attach(page_.get(), results_, allocator_);
  }
  bool IsSet(std::uint32_t number) const {
    return (page_->tickets_fired[number / 64].load() >> number % 64 & 1) != 0;
  }
  std::unique_ptr<abi::DispatcherPage> page_;
  TicketResultPages results_;
  test::CountingAllocator allocator_;
  std::unique_ptr<TicketTable> table_;
};

TEST_F(TicketTableTest, FiringLeavesResultAndBit) {
  const std::uint32_t ticket = table_->Arm(70).value();
  EXPECT_FALSE(IsSet(70));
  EXPECT_EQ(table_->Fire(ticket, Status::kNotFound, 5), Status::kOk);
  EXPECT_TRUE(IsSet(70));
  EXPECT_EQ(results_.Of(70).status, static_cast<std::int64_t>(Status::kNotFound));
  EXPECT_EQ(results_.Of(70).value, 5u);
  EXPECT_EQ(table_->Fire(ticket, Status::kOk, 6), Status::kAlreadyCompleted);
  EXPECT_EQ(results_.Of(70).value, 5u);
  EXPECT_EQ(table_->Cancel(70), Status::kAlreadyCompleted);
}

TEST_F(TicketTableTest, NumbersAreChecked) {
  EXPECT_EQ(table_->Arm(abi::kTicketCount).status(), Status::kInvalidArgument);
  EXPECT_EQ(table_->Cancel(~std::uint64_t{0}), Status::kInvalidArgument);
  EXPECT_EQ(table_->Cancel(0), Status::kAlreadyCompleted);
}

TEST_F(TicketTableTest, AResultHasItsPageBeforeATicketIsArmed) {
  EXPECT_EQ(results_.pages[0], nullptr);
  EXPECT_TRUE(table_->Arm(1).ok());
  EXPECT_NE(results_.pages[0], nullptr);
  EXPECT_EQ(results_.pages[std::size(results_.pages) - 1], nullptr);
  EXPECT_TRUE(table_->Arm(abi::kTicketCount - 1).ok());
  EXPECT_NE(results_.pages[std::size(results_.pages) - 1], nullptr);
  results_.refuse = true;
  EXPECT_EQ(table_->Arm(700).status(), Status::kNoMemory);
  EXPECT_EQ(table_->Cancel(700), Status::kAlreadyCompleted);
}

TEST_F(TicketTableTest, WordsOfHighNumbersAreMadeWhenTheyAreWanted) {
  constexpr std::uint32_t kHigh = abi::kTicketCount - 3;
  EXPECT_EQ(allocator_.blocks(), 0);
  EXPECT_EQ(table_->Cancel(kHigh), Status::kAlreadyCompleted);
  EXPECT_EQ(table_->Fire(kHigh, Status::kOk, 0), Status::kAlreadyCompleted);
  allocator_.refuse = true;
  EXPECT_EQ(table_->Arm(kHigh).status(), Status::kNoMemory);
  allocator_.refuse = false;
  const std::uint32_t ticket = table_->Arm(kHigh).value();
  const std::uint32_t other = table_->Arm(kHigh - 1).value();
  EXPECT_EQ(allocator_.blocks(), 1);
  EXPECT_EQ(table_->Fire(ticket, Status::kOk, 9), Status::kOk);
  EXPECT_TRUE(IsSet(kHigh));
  EXPECT_EQ(results_.Of(kHigh).value, 9u);
  table_->CancelAll();
  EXPECT_FALSE(IsSet(kHigh));
  EXPECT_EQ(table_->Fire(other, Status::kOk, 0), Status::kAlreadyCompleted);
}

TEST_F(TicketTableTest, CancelAllForgetsWhatFired) {
  const std::uint32_t fired = table_->Arm(1).value();
  const std::uint32_t armed = table_->Arm(2).value();
  EXPECT_EQ(table_->Fire(fired, Status::kOk, 0), Status::kOk);
  table_->CancelAll();
  EXPECT_FALSE(IsSet(1));
  EXPECT_EQ(table_->Fire(armed, Status::kOk, 0), Status::kAlreadyCompleted);
  EXPECT_FALSE(IsSet(2));
}

TEST_F(TicketTableTest, ALateTicketOfAnEarlierDispatcherFiresInVain) {
  const std::uint32_t late = table_->Arm(5).value();
  EXPECT_FALSE(table_->Retire());
  abi::DispatcherPage page{};
  TicketResultPages results;
  table_->Attach(&page, results, allocator_);
  const std::uint32_t present = table_->Arm(5).value();
  EXPECT_EQ(table_->Fire(late, Status::kOk, 1), Status::kAlreadyCompleted);
  EXPECT_EQ(page.tickets_fired[0].load(), 0u);
  EXPECT_FALSE(IsSet(5));
  EXPECT_EQ(table_->Fire(present, Status::kOk, 2), Status::kOk);
  EXPECT_EQ(results.Of(5).value, 2u);
  EXPECT_FALSE(IsSet(5));
}

TEST_F(TicketTableTest, GenerationsWrapAround) {
  for (std::uint32_t i = 0; i < TicketWord::kGenerations + 10; ++i) {
    const std::uint32_t ticket = table_->Arm(3).value();
    ASSERT_EQ(table_->Fire(ticket, Status::kOk, i), Status::kOk);
  }
}

}  // namespace
}  // namespace k42::ipc
