// Clustered objects on real CPUs: shared and replicated, every clustering factor, destruction under
// calls, and a counter swapped every millisecond while all CPUs count.
#include <algorithm>
#include <atomic>
#include <string_view>

#include "cobj/inspect.h"
#include "cobj/make.h"
#include "cobj/marker.h"
#include "cobj/swap.h"
#include "guest/guest_test.h"
#include "idl/counter.forward.h"
#include "machine/boot_info.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/cpu_message.h"
#include "machine/thread.h"
#include "platform/contract/trace_hook.h"
#include "support/counter_kinds.h"
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
  for (const test::CounterKind& kind : test::CounterKinds()) {
    const auto counter = kind.Make().value();
    EXPECT_EQ(counter->Increment(3).ValueOr(0), 3u);
    const std::uint64_t misses = cobj::node_objects->counts().misses;
    for (int i = 0; i < 100; ++i) (void)counter->Increment(1);
    EXPECT_EQ(counter->Value().ValueOr(0), 103u);
    EXPECT(cobj::node_objects->counts().misses <=
           misses + 2);  // other CPUs may use objects of their own
    EXPECT_EQ(cobj::Destroy(counter), Status::kOk);
    EXPECT_EQ(counter->Value().status(), Status::kDeleted);
  }
}

GUEST_TEST(cobj_manager_is_an_object_itself) {
  OnAllCpus([](CpuId) {
    EXPECT_EQ(cobj::Destroy(cobj::MakeShared<SharedCounter>().value()), Status::kOk);
  });
  std::uint32_t found = 0;
  cobj::ForEachObject(*cobj::node_objects, [&](const cobj::ObjectView& view) {
    const std::string_view name = machine::FindSymbol(view.class_function).name;
    if (name.find("ObjectManagerRoot") == std::string_view::npos)
      return;
    ++found;
    EXPECT_EQ(view.bits, cobj::BitsOfIndex(1));
    EXPECT_EQ(view.filled.Count(), machine::CpuCount());
  });
  EXPECT_EQ(found, 1u);
  EXPECT(Eventually([] { return test::live_counters == 0; }));
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
void Races(const test::CounterKind& kind) {
  static std::atomic<std::uint64_t> current;  // serial << 32 | reference
  static std::atomic<std::uint64_t> wrong, made, deleted, answered, most_away;
  current = wrong = made = deleted = answered = most_away = 0;
  const std::uint64_t rounds = NumberOption("races", "20000") / machine::CpuCount();
  OnAllCpus([&](CpuId cpu) {
    std::uint64_t my_deleted = 0, my_answered = 0, my_away = 0;
    for (std::uint64_t i = 0; i < rounds; ++i) {
      const std::uint64_t serial = (i * machine::CpuCount() + cpu + 1) & 0x7fffffff;
      const Result<Ref<ICounter>> fresh = kind.Make(serial << 32);
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
  Races(test::CounterKind{0});
}
GUEST_TEST(cobj_races_replicated) {
  for (const test::CounterKind& kind : test::CounterKinds()) {
    if (kind.factor != 0)
      Races(kind);
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

// Messages to other CPUs than the test's. A CPU handles them in the order of sending, so all have
// been counted when one sent after them has arrived.
std::atomic<std::uint64_t> messages_elsewhere;
std::atomic<std::uint32_t> fences_left;
CpuId counting_cpu;
void PassFence(machine::CpuMessage*) {
  --fences_left;
}
void CountMessages(machine::PlatformEvent event, std::uint64_t handler, std::uint64_t) {
  if (event == machine::PlatformEvent::kMessage && machine::CurrentCpu() != counting_cpu &&
      handler != reinterpret_cast<std::uint64_t>(&PassFence))
    ++messages_elsewhere;
}

// What others began before, threads that end and ids that come back, is through: no message for
// 50 ms.
void WaitForSilence() {
  for (std::uint64_t seen = ~std::uint64_t{0}; seen != messages_elsewhere;) {
    seen = messages_elsewhere;
    const std::uint64_t end = machine::MonotonicNs() + 50'000'000;
    while (machine::MonotonicNs() < end) Thread::Yield();
  }
}

// How many messages work() sends to other CPUs.
template <typename Work>
std::uint64_t MessagesOf(Work work) {
  static machine::CpuMessage fences[machine::kMaxCpus];
  const machine::TraceHook before = machine::trace_hook.load();
  counting_cpu = machine::CurrentCpu();
  machine::trace_hook = CountMessages;
  WaitForSilence();
  messages_elsewhere = 0;
  work();
  fences_left = machine::CpuCount();
  for (CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    fences[cpu].handler = PassFence;
    machine::Send(cpu, &fences[cpu]);
  }
  EXPECT(Eventually([] { return fences_left == 0; }));
  machine::trace_hook = before;
  return messages_elsewhere.load();
}

// An object that only this CPU uses goes without a message.
void ObjectOfThisCpu(const test::CounterKind& kind) {
  // As many as fit before their ids make a batch, for whose sake the token goes round.
  constexpr std::uint32_t kObjects = cobj::ObjectManager::kIdBatch / 2;
  cobj::node_objects->FlushIds();
  EXPECT(Eventually([] { return cobj::node_objects->grace().idle(); }));
  const auto before = cobj::node_objects->counts();
  const std::uint64_t messages = MessagesOf([&] {
    for (std::uint32_t i = 0; i < kObjects; ++i) {
      const auto object = kind.Make().value();
      (void)object->Increment(1);
      EXPECT_EQ(cobj::Destroy(object), Status::kOk);
      EXPECT(Eventually([] { return test::live_counters == 0; }));  // its memory is free
    }
  });
  EXPECT_EQ(messages, 0u);
  EXPECT(cobj::node_objects->counts().local >= before.local + kObjects);
}

GUEST_TEST(cobj_object_of_one_cpu_goes_without_a_message) {
  const CpuId last = machine::CpuCount() - 1;
  for (const test::CounterKind& kind : test::CounterKinds()) {
    for (CpuId cpu : {CpuId{0}, last}) {
      OnAllCpus([&](CpuId here) {
        if (here == cpu)
          ObjectOfThisCpu(kind);
      });
    }
    // Used on all CPUs: one there and back, and the token's round.
    if (machine::CpuCount() < 2)
      continue;
    const auto wide = kind.Make().value();
    OnAllCpus([&](CpuId) { (void)wide->Increment(1); });
    EXPECT(Eventually([] { return cobj::node_objects->grace().idle(); }));
    EXPECT(MessagesOf([&] {
             EXPECT_EQ(cobj::Destroy(wide), Status::kOk);
             EXPECT(Eventually([] { return test::live_counters == 0; }));
           }) != 0);
  }
}

GUEST_TEST(cobj_swap_every_millisecond_under_calls) {
  static std::atomic<bool> stop;
  static std::atomic<std::uint64_t> total, errors;
  static std::uint32_t swaps;
  stop = false;
  total = errors = 0;
  swaps = 0;
  const test::CounterKinds kinds;
  const auto counter = kinds[0].Make().value();
  OnAllCpus([&](CpuId cpu) {
    if (cpu == 0) {
      Allocator& allocator = cobj::node_objects->allocator();
      const std::uint64_t end = machine::MonotonicNs() + 1'000'000'000;
      // Where virtual CPUs outnumber the host's, a swap takes as long as the host lets each of them
      // wait.
      while (machine::MonotonicNs() < end || swaps < 2 * kinds.size()) {
        ++swaps;
        if (cobj::SwapObject(counter, kinds[swaps].MakeRoot(allocator).value()) != Status::kOk)
          ++errors;
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
