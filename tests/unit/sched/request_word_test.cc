// What is asked of a dispatcher, and its one message, under every interleaving: while it runs and
// waits, and when it ends.
#include "sched/request_word.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "model/interleave.h"

namespace k42::sched {
namespace {

using model::Atomic;
using model::Exploration;
using model::Explore;
using model::Program;

enum class Fault { kNone, kWaitsWithoutALook, kAsksBeforePosting, kContradicts, kEndsAtOnce };
enum Request : std::uint32_t { kWake = 1, kStop = 2, kContinue = 4, kEnd = 8 };

// A dispatcher and its CPU, as cpu_scheduler.cc treats it. What happens on the CPU takes turns.
template <template <typename> typename WordAtomic = Atomic>
struct World {
  BasicRequestWord<WordAtomic> word;
  Atomic<std::uint32_t> queued{0};   // its messages in the CPU's queue
  Atomic<std::uint32_t> pending{0};  // events, in the dispatcher's page
  std::string wrong;
  bool waiting = false;
  bool stopped = false;
  bool ending = false;
  bool ended = false;        // kEnded
  int told = 0;              // its owner, that it has ended
  std::uint32_t events = 0;  // that it has seen

  // -- any CPU --
  void Send() {
    if (queued.fetch_add(1) != 0)
      wrong = "the message is in the queue twice";
  }
  void Ask(std::uint32_t requests) {
    if (word.Ask(requests))
      Send();
  }
  void AskInstead(std::uint32_t requests, std::uint32_t withdrawn, Fault fault) {
    if (fault == Fault::kContradicts)
      return Ask(requests);
    if (word.AskInstead(requests, withdrawn))
      Send();
  }
  void Post(std::uint32_t event, Fault fault) {
    if (fault == Fault::kAsksBeforePosting)
      Ask(kWake);
    if ((pending.fetch_or(event) & event) == 0 && fault != Fault::kAsksBeforePosting)
      Ask(kWake);
  }

  // -- its CPU --
  void Finish(Fault fault) {
    ended = true;
    if (fault == Fault::kEndsAtOnce || word.Close())
      ++told;
  }
  void Apply(std::uint32_t requests, Fault fault) {
    if (ended) {
      if (word.Close())
        ++told;
      return;
    }
    if ((requests & kStop) != 0)
      stopped = true;
    if ((requests & kContinue) != 0)
      stopped = false;
    if ((requests & kWake) != 0)
      waiting = false;
    if ((requests & kEnd) != 0) {
      if (waiting)
        Finish(fault);
      else
        ending = true;  // seen on the way to user code
    }
  }
  void AwaitMessage(Fault fault) {
    model::Wait([this] { return queued.Peek() != 0; });
    TakeMessage(fault);
  }
  void TakeMessage(Fault fault) {
    if (queued.load(std::memory_order_relaxed) == 0)
      return;
    queued.exchange(0);
    Apply(word.Take(), fault);
  }
  // Its user code: sees events, else waits (kWait), until it has seen the `wanted` ones or ends.
  void Run(std::uint32_t wanted, Fault fault) {
    bool looks = fault != Fault::kWaitsWithoutALook;
    for (;; looks = true) {
      TakeMessage(fault);
      if (ending)
        return Finish(fault);
      if (looks && pending.load() != 0) {
        events |= pending.exchange(0);
        if ((events & wanted) == wanted)
          return;
        continue;
      }
      for (waiting = true; waiting && !ended;) AwaitMessage(fault);
      if (ended)
        return;
    }
  }
};

void ExpectHolds(const Exploration& result) {
  EXPECT_TRUE(result.complete) << result.executions;
  EXPECT_EQ(result.failure, "");
}

// Events from two CPUs: the dispatcher sees both, however it runs and waits.
Exploration ExploreEvents(Fault fault) {
  return Explore([fault] {
    auto world = std::make_shared<World<>>();
    return Program{{[=] { world->Run(3, fault); }, [=] { world->Post(1, fault); },
                    [=] { world->Post(2, fault); }},
                   [=] { return world->wrong; }};
  });
}

TEST(RequestWordModel, NoEventFindsItWaitingForEver) {
  ExpectHolds(ExploreEvents(Fault::kNone));
}
TEST(RequestWordModel, WaitingWithoutALookIsFound) {
  EXPECT_NE(ExploreEvents(Fault::kWaitsWithoutALook).failure, "");
}
TEST(RequestWordModel, ARequestBeforeItsEventIsFound) {
  EXPECT_NE(ExploreEvents(Fault::kAsksBeforePosting).failure, "");
}

// Stopped, continued, and stopped again, by one who has the lock that orders them: it is stopped.
template <template <typename> typename WordAtomic = Atomic>
Exploration ExploreStops(Fault fault) {
  return Explore([fault] {
    auto world = std::make_shared<World<WordAtomic>>();
    return Program{{[=] {
                      model::SetQuiet(true);
                      world->stopped = true;
                      model::SetQuiet(false);
                      world->AskInstead(kContinue, kStop, fault);
                      world->AskInstead(kStop, kContinue, fault);
                      world->Ask(kEnd);
                    },
                    [=] {
                      while (!world->ending) world->AwaitMessage(fault);
                    }},
                   [=]() -> std::string {
                     return world->stopped ? world->wrong
                                           : "continued by a request before the last";
                   }};
  });
}

TEST(RequestWordModel, TheLaterOfStopAndContinueCounts) {
  ExpectHolds(ExploreStops(Fault::kNone));
}
TEST(RequestWordModel, ContradictionsInOneMessageAreFound) {
  EXPECT_NE(ExploreStops(Fault::kContradicts).failure, "");
}

// Taken by a look and a store: what is asked in between is lost.
template <typename T>
class TakesInTwoSteps : public Atomic<T> {
 public:
  using Atomic<T>::Atomic;
  T exchange(T value, std::memory_order) {
    const T old = this->load();
    this->store(value, std::memory_order_release);
    return old;
  }
};

TEST(RequestWordModel, TakingInTwoStepsIsFound) {
  EXPECT_NE(ExploreStops<TakesInTwoSteps>(Fault::kNone).failure, "");
}

// It ends while others post: its owner is told once, and no message comes after that.
Exploration ExploreEnd(Fault fault) {
  return Explore([fault] {
    auto world = std::make_shared<World<>>();
    return Program{{[=] {
                      world->Run(4, fault);  // an event that never comes
                      while (world->told == 0) world->AwaitMessage(fault);
                    },
                    [=] { world->Ask(kEnd); }, [=] { world->Post(1, fault); }},
                   [=]() -> std::string {
                     if (world->queued.Peek() != 0)
                       return "a message to one that is gone";
                     return world->told == 1 ? world->wrong : "told twice";
                   }};
  });
}

TEST(RequestWordModel, EndedOnceAndAfterTheLastMessage) {
  ExpectHolds(ExploreEnd(Fault::kNone));
}
TEST(RequestWordModel, EndingBeforeTheLastMessageIsFound) {
  EXPECT_NE(ExploreEnd(Fault::kEndsAtOnce).failure, "");
}

}  // namespace
}  // namespace k42::sched
