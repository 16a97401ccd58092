// Clustered objects on real CPUs: shared and replicated, every clustering factor, destruction under
// calls, and a counter swapped every millisecond while all CPUs count.
#include <atomic>

#include "cobj/make.h"
#include "cobj/marker.h"
#include "cobj/swap.h"
#include "guest/guest_test.h"
#include "idl/counter.forward.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/thread.h"
#include "support/counters.h"

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
  Thread::Current()->Unblock();
  Thread::BlockExternal();
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
  const std::uint64_t misses = cobj::node_objects->misses();
  for (int i = 0; i < 100; ++i) (void)counter->Increment(1);
  EXPECT_EQ(counter->Value().ValueOr(0), 103u);
  EXPECT(cobj::node_objects->misses() <= misses + 2);  // other CPUs may use objects of their own
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

GUEST_TEST(cobj_create_call_destroy_races) {
  static std::atomic<cobj::RefBits> current;
  static std::atomic<std::uint32_t> wrong;
  current = 0;
  wrong = 0;
  OnAllCpus([](CpuId cpu) {
    for (std::uint32_t i = 0; i < 300; ++i) {
      if (i % machine::CpuCount() == cpu) {
        const auto made = cobj::MakeShared<SharedCounter>(std::uint64_t{1000});
        if (!made.ok()) {
          ++wrong;
          return;
        }
        const cobj::RefBits old = current.exchange(made.value().bits());
        if (old != 0 && cobj::Destroy(Ref<ICounter>::FromBits(old)) != Status::kOk)
          ++wrong;
      }
      for (int n = 0; n < 10; ++n) {
        const auto ref = Ref<ICounter>::FromBits(current.load());
        if (!ref)
          continue;
        const auto value = ref->Increment(1);
        const bool right = value.ok() ? value.value() > 1000 && value.value() < 1'000'000
                                      : value.status() == Status::kDeleted;
        wrong += !right;
      }
      QuietPoint();
    }
  });
  EXPECT_EQ(wrong.load(), 0u);
  EXPECT_EQ(cobj::Destroy(Ref<ICounter>::FromBits(current.load())), Status::kOk);
  EXPECT(Eventually([] { return test::live_counters == 0; }));
}

GUEST_TEST(cobj_marker_waits_for_active_threads) {
  cobj::Marker marker;
  marker.Set(cobj::Marker::Scope::kNode);
  EXPECT(!marker.elapsed());  // this thread is active
  EXPECT(Eventually([&] { return marker.elapsed(); }));
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
