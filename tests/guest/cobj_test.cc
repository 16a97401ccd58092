// Clustered objects on real CPUs: shared and replicated, every clustering factor, destruction under
// calls, and a counter swapped every millisecond while all CPUs count.
#include <algorithm>
#include <atomic>

#include "cobj/inspect.h"
#include "cobj/make.h"
#include "cobj/marker.h"
#include "cobj/swap.h"
#include "guest/guest_test.h"
#include "idl/counter.forward.h"
#include "machine/boot_info.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/thread.h"
#include "platform/contract/trace_hook.h"
#include "support/counters.h"
#include "symbols.h"

namespace k42 {
namespace {

using cobj::Ref;
using idl::ICounter;
using machine::CpuId;
using machine::Thread;
using test::ReplicatedCounter;
using test::SharedCounter;

// The calling thread holds nothing of any object now.
void QuietPoint() {
  cobj::QuietPoint();
  Thread::Yield();
}

template <typename Condition>
bool Eventually(Condition condition) {
  const std::uint64_t end = machine::MonotonicNs() + 20'000'000'000;
  while (!condition()) {
    if (machine::MonotonicNs() > end)
      return false;
    QuietPoint();
  }
  return true;
}

// Runs work(cpu) in a thread on every CPU and waits for all of them.
template <typename Work>
void OnAllCpus(Work work) {
  struct Shared {
    Work& work;
    Thread* waiter;
    std::atomic<std::uint32_t> left;
  };
  static Shared* shared;
  Shared here{work, Thread::Current(), machine::CpuCount()};
  shared = &here;
  for (CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    const auto made = Thread::Create(
        "cobj test",
        [](void*) {
          shared->work(machine::CurrentCpu());
          Thread* waiter = shared->waiter;  // `here` may be gone once nothing is left
          if (shared->left.fetch_sub(1) == 1)
            waiter->Unblock();
        },
        nullptr, cpu);
    REQUIRE(made.ok());
  }
  while (here.left.load() != 0) Thread::BlockExternal();
}

GUEST_TEST(cobj_warm_calls_do_not_miss) {
  const auto counter = cobj::MakeShared<SharedCounter>().value();
  EXPECT_EQ(counter->Increment(3).ValueOr(0), 3u);
  const std::uint64_t misses = cobj::node_objects->counts().misses;
  for (int i = 0; i < 100; ++i) (void)counter->Increment(1);
  EXPECT_EQ(counter->Value().ValueOr(0), 103u);
  EXPECT(cobj::node_objects->counts().misses <=
         misses + 2);  // other CPUs may use objects of their own
  EXPECT_EQ(cobj::Destroy(counter), Status::kOk);
  EXPECT_EQ(counter->Value().status(), Status::kDeleted);
}

GUEST_TEST(cobj_every_clustering_factor) {
  const std::uint32_t cpus = machine::CpuCount();
  for (std::uint32_t factor = 1; factor <= cpus; ++factor) {
    Allocator& allocator = cobj::node_objects->allocator();
    const auto made = allocator.Make<cobj::ReplicatedRoot<ReplicatedCounter>>(allocator, factor);
    REQUIRE(made.ok());
    const auto counter = cobj::PublishRoot(made.value()).value();
    OnAllCpus([&](CpuId) {
      for (int i = 0; i < 50; ++i) (void)counter->Increment(1);
    });
    EXPECT_EQ(counter->Value().ValueOr(0), 50u * cpus);
    EXPECT_EQ(made.value()->rep_count(), (cpus + factor - 1) / factor);
    EXPECT_EQ(cobj::Destroy(counter), Status::kOk);
  }
  EXPECT(Eventually([] { return test::live_counters == 0; }));
}

GUEST_TEST(cobj_reps_are_where_it_was_touched) {
  Allocator& allocator = cobj::node_objects->allocator();
  auto* root = allocator.Make<cobj::ReplicatedRoot<ReplicatedCounter>>(allocator, 1u).value();
  const auto counter = cobj::PublishRoot(root).value();
  EXPECT_EQ(root->rep_count(), 0u);
  const std::uint32_t touched = machine::CpuCount() < 3 ? machine::CpuCount() : 3;
  OnAllCpus([&](CpuId cpu) {
    // Of 16: CPUs 1, 6 and 11. With fewer, the first ones.
    if (machine::CpuCount() == 16 ? cpu % 5 == 1 && cpu < 15 : cpu < touched)
      (void)counter->Increment(1);
  });
  EXPECT_EQ(root->rep_count(), touched);
  std::uint32_t filled = 0;
  std::uint64_t named = 0;
  cobj::ForEachObject(*cobj::node_objects, [&](const cobj::ObjectView& view) {
    if (view.bits == counter.bits()) {
      filled = view.filled.Count();
      named += machine::FindSymbol(view.class_function).name.find("ReplicatedCounter") !=
               std::string_view::npos;
    }
  });
  EXPECT_EQ(filled, touched);
  EXPECT_EQ(named, 1u);
  EXPECT_EQ(cobj::Destroy(counter), Status::kOk);
  EXPECT(Eventually([] { return test::live_counters == 0; }));
}

std::uint64_t NumberOption(const char* name, const char* otherwise) {
  std::uint64_t number = 0;
  for (const char digit : machine::BootOption(name, otherwise))
    number = number * 10 + static_cast<std::uint64_t>(digit - '0');
  return number;
}

// Objects with a serial number each: a call either answers it or kDeleted. Whatever else comes is
// another object's memory, freed memory, or an id that came back too early.
template <typename Make>
void Races(Make make) {
  static std::atomic<std::uint64_t> current;  // serial << 32 | reference
  static std::atomic<std::uint64_t> wrong, made, deleted, answered, most_away;
  current = wrong = made = deleted = answered = most_away = 0;
  const std::uint64_t rounds = NumberOption("races", "20000") / machine::CpuCount();
  OnAllCpus([&](CpuId cpu) {
    std::uint64_t my_deleted = 0, my_answered = 0, my_away = 0;
    for (std::uint64_t i = 0; i < rounds; ++i) {
      const std::uint64_t serial = (i * machine::CpuCount() + cpu + 1) & 0x7fffffff;
      const Result<Ref<ICounter>> fresh = make(serial << 32);
      if (!fresh.ok()) {
        ++wrong;
        return;
      }
      ++made;
      const std::uint64_t old = current.exchange(serial << 32 | fresh.value().bits());
      const auto old_ref = Ref<ICounter>::FromBits(static_cast<cobj::RefBits>(old));
      if (old_ref && cobj::Destroy(old_ref) != Status::kOk)
        ++wrong;
      for (int n = 0; n < 4; ++n) {
        const std::uint64_t word = current.load();
        const auto value = Ref<ICounter>::FromBits(static_cast<cobj::RefBits>(word))->Increment(1);
        if (!value.ok()) {
          ++my_deleted;
          wrong += value.status() != Status::kDeleted;
        } else {
          ++my_answered;
          wrong += value.value() >> 32 != word >> 32;
        }
      }
      QuietPoint();
      cobj::HoldBackIfDestroyed();
      const cobj::ObjectManager& manager = cobj::node_objects->manager_here();
      my_away = std::max(my_away, manager.away());
    }
    deleted += my_deleted;
    answered += my_answered;
    std::uint64_t most = most_away;
    while (my_away > most && !most_away.compare_exchange_weak(most, my_away)) {
    }
  });
  EXPECT_EQ(wrong.load(), 0u);
  const auto last = Ref<ICounter>::FromBits(static_cast<cobj::RefBits>(current.load()));
  EXPECT_EQ(cobj::Destroy(last), Status::kOk);
  EXPECT(Eventually([] { return test::live_counters == 0; }));
  // Not more than may wait for their grace period, and one: memory is bounded.
  EXPECT(most_away <= cobj::ObjectManager::kMostAway + 1);
  machine::Log(
      "  {} objects made, called and destroyed; {} calls answered, {} found it deleted; "
      "{} at most waited on a CPU",
      made.load(), answered.load(), deleted.load(), most_away.load());
}

GUEST_TEST(cobj_races_shared) {
  Races([](std::uint64_t start) { return cobj::MakeShared<SharedCounter>(start); });
}
GUEST_TEST(cobj_races_replicated) {
  static std::uint32_t factor;
  for (factor = 1; factor <= machine::CpuCount(); factor *= 2) {
    Races([](std::uint64_t start) {
      return cobj::MakeReplicated<test::StartedCounter>(factor, start);
    });
  }
}

GUEST_TEST(cobj_active_thread_delays_markers_until_it_ends) {
  static std::atomic<int> stage;
  stage = 0;
  const CpuId other = machine::CpuCount() - 1;
  const auto made = Thread::Create(
      "holder",
      [](void*) {
        stage = 1;
        while (stage != 2) Thread::Yield();  // active all the time
      },
      nullptr, other);
  REQUIRE(made.ok());
  REQUIRE(Eventually([] { return stage == 1; }));
  cobj::Marker node, here;
  node.Set(cobj::Marker::Scope::kNode);
  here.Set(cobj::Marker::Scope::kCpu);
  const std::uint64_t until = machine::MonotonicNs() + 300'000'000;
  while (machine::MonotonicNs() < until) QuietPoint();
  EXPECT(!node.elapsed());
  EXPECT_EQ(here.elapsed(), other != machine::CurrentCpu());
  stage = 2;  // and it ends
  EXPECT(Eventually([&] { return node.elapsed() && here.elapsed(); }));
}

// Messages handled by other CPUs than the test's, and interrupts these take.
std::atomic<std::uint64_t> messages_elsewhere;
CpuId counting_cpu;
void CountMessages(machine::PlatformEvent event, std::uint64_t, std::uint64_t) {
  if (event == machine::PlatformEvent::kMessage && machine::CurrentCpu() != counting_cpu)
    ++messages_elsewhere;
}

GUEST_TEST(cobj_object_of_one_cpu_goes_without_a_message) {
  // As many as fit before their ids make a batch, for whose sake the token goes round.
  cobj::node_objects->FlushIds();
  EXPECT(Eventually([] { return cobj::node_objects->grace().idle(); }));
  const machine::TraceHook before_hook = machine::trace_hook.load();
  counting_cpu = machine::CurrentCpu();
  messages_elsewhere = 0;
  const auto before = cobj::node_objects->counts();
  machine::trace_hook = CountMessages;
  for (std::uint32_t i = 0; i < cobj::ObjectManager::kIdBatch / 2; ++i) {
    const auto shared = cobj::MakeShared<SharedCounter>().value();
    (void)shared->Increment(1);
    EXPECT_EQ(cobj::Destroy(shared), Status::kOk);
    EXPECT(Eventually([] { return test::live_counters == 0; }));  // its memory is free
  }
  machine::trace_hook = before_hook;
  EXPECT_EQ(messages_elsewhere.load(), 0u);
  EXPECT(cobj::node_objects->counts().local >= before.local + cobj::ObjectManager::kIdBatch / 2);

  // Used on two CPUs: one there and back, and the token's round.
  if (machine::CpuCount() < 2)
    return;
  const auto wide = cobj::MakeShared<SharedCounter>().value();
  OnAllCpus([&](CpuId) { (void)wide->Increment(1); });
  EXPECT(Eventually([] { return cobj::node_objects->grace().idle(); }));
  machine::trace_hook = CountMessages;
  EXPECT_EQ(cobj::Destroy(wide), Status::kOk);
  EXPECT(Eventually([] { return test::live_counters == 0; }));
  machine::trace_hook = before_hook;
  EXPECT(messages_elsewhere.load() != 0);
}

GUEST_TEST(cobj_swap_every_millisecond_under_calls) {
  static std::atomic<bool> stop;
  static std::atomic<std::uint64_t> total, errors;
  static std::uint32_t swaps;
  stop = false;
  total = errors = 0;
  swaps = 0;
  const auto counter = cobj::MakeShared<SharedCounter>().value();
  OnAllCpus([&](CpuId cpu) {
    if (cpu == 0) {
      Allocator& allocator = cobj::node_objects->allocator();
      const std::uint64_t end = machine::MonotonicNs() + 1'000'000'000;
      // Where virtual CPUs outnumber the host's, a swap takes as long as the host lets each of them
      // wait.
      while (machine::MonotonicNs() < end || swaps < 5) {
        cobj::Root* next = nullptr;
        if (swaps % 2 == 0) {
          next = allocator.Make<cobj::ReplicatedRoot<ReplicatedCounter>>(allocator, 1u).value();
        } else {
          next = allocator.Make<cobj::SharedRoot<SharedCounter>>().value();
        }
        if (cobj::SwapObject(counter, next) != Status::kOk)
          ++errors;
        ++swaps;
        const std::uint64_t pause = machine::MonotonicNs() + 1'000'000;
        while (machine::MonotonicNs() < pause) {
          (void)counter->Increment(1);
          total += 1;
          QuietPoint();
        }
      }
      stop = true;
      return;
    }
    std::uint64_t mine = 0;
    while (!stop) {
      for (int i = 0; i < 20; ++i, ++mine) errors += !counter->Increment(1).ok();
      QuietPoint();
    }
    total += mine;
  });
  EXPECT_EQ(errors.load(), 0u);
  EXPECT_EQ(counter->Value().ValueOr(0), total.load());
  machine::Log("  {} swaps under {} calls", swaps, total.load());
  EXPECT_EQ(cobj::Destroy(counter), Status::kOk);
  EXPECT(Eventually([] { return test::live_counters == 0; }));
}

}  // namespace
}  // namespace k42
