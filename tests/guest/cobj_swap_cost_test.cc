// What a null swap costs: a shared object whose rep every CPU has used, and nobody calls meanwhile,
// is replaced by another of its class. Meaningful as a count of instructions (-icount shift=0,
// where they are those of all CPUs), or as a time.
#include <algorithm>
#include <atomic>

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
using machine::Thread;

// One call of the object on every CPU; returns when all have been made.
void CallOnAllCpus(Ref<ICounter> counter) {
  struct Calls {
    Ref<ICounter> counter;
    Thread* waiter;
    std::atomic<std::uint32_t> left;
  } calls{counter, Thread::Current(), machine::CpuCount()};
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    const auto made = Thread::Create(
        "swap cost",
        [](void* argument) {
          auto& all = *static_cast<Calls*>(argument);
          (void)all.counter->Increment(1);
          Thread* waiter = all.waiter;  // `calls` may be gone once nothing is left
          if (all.left.fetch_sub(1) == 1)
            waiter->Unblock();
        },
        &calls, cpu);
    REQUIRE(made.ok());
  }
  while (calls.left.load() != 0) Thread::BlockExternal();
}

GUEST_TEST(cobj_swap_cost) {
  constexpr int kSwaps = 100;
  Allocator& allocator = cobj::node_objects->allocator();
  const Ref<ICounter> counter = cobj::MakeShared<test::SharedCounter>().value();
  std::uint64_t least = ~std::uint64_t{0};
  for (int i = 0; i < kSwaps; ++i) {
    CallOnAllCpus(counter);
    cobj::Root* next = allocator.Make<cobj::SharedRoot<test::SharedCounter>>().value();
    const std::uint64_t begin = machine::MonotonicNs();
    EXPECT_EQ(cobj::SwapObject(counter, next), Status::kOk);
    least = std::min(least, machine::MonotonicNs() - begin);
  }
  EXPECT_EQ(counter->Value().ValueOr(0), std::uint64_t{kSwaps} * machine::CpuCount());
  EXPECT_EQ(cobj::Destroy(counter), Status::kOk);
  machine::Log("  null swap {} ns on {} CPUs, least of {}", least, machine::CpuCount(), kSwaps);
}

}  // namespace
}  // namespace k42
