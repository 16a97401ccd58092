// Memory runs out (fail_each.h) in a hot swap: on whatever CPU, the object stays the one it was and
// loses no call, and can be swapped afterwards.
#include <atomic>

#include "cobj/cpu_steps.h"
#include "cobj/swap.h"
#include "guest/fail_each.h"
#include "guest/guest_test.h"
#include "idl/counter.forward.h"
#include "machine/cpu.h"
#include "support/counters.h"

namespace k42 {
namespace {

using idl::ICounter;
using test::ReplicatedCounter;
using test::SharedCounter;

// Counts once on every CPU.
class CountEverywhere {
 public:
  explicit CountEverywhere(cobj::Ref<ICounter> counter) : counter_(counter) {
    cobj::CpuSteps steps;
    steps.Start(
        CpuSet::FirstOf(machine::CpuCount()),
        [](void* self, machine::CpuId) {
          auto* counting = static_cast<CountEverywhere*>(self);
          counting->counted_ += counting->counter_->Increment(1).ok() ? 1 : 0;
          return true;
        },
        this);
    EXPECT(steps.Wait());
  }
  std::uint64_t counted() const { return counted_; }

 private:
  const cobj::Ref<ICounter> counter_;
  std::atomic<std::uint64_t> counted_{0};
};

Result<cobj::Root*> NewReplicated(Allocator& allocator) {
  return static_cast<cobj::Root*>(
      TRY(allocator.Make<cobj::ReplicatedRoot<ReplicatedCounter>>(allocator, 1u)));
}
Result<cobj::Root*> NewShared(Allocator& allocator) {
  return static_cast<cobj::Root*>(TRY(allocator.Make<cobj::SharedRoot<SharedCounter>>()));
}

// One allocation fails: so the second attempt does not.
bool SwapOrAgain(cobj::Ref<ICounter> counter, Result<cobj::Root*> (*make)(Allocator&)) {
  const auto swap = [&]() -> Status {
    return cobj::SwapObject(counter, TRY(make(cobj::node_objects->allocator())),
                            10 * cobj::kSwapDeadlineNs);
  };
  const Status status = swap();
  if (status == Status::kOk)
    return true;
  EXPECT_EQ(status, Status::kNoMemory);
  EXPECT_EQ(swap(), Status::kOk);
  return false;
}

bool CountAndSwap() {
  const auto made = cobj::MakeShared<SharedCounter>();
  if (!made.ok())
    return false;
  const cobj::Ref<ICounter> counter = made.value();
  std::uint64_t counted = 0;
  const auto count = [&] { counted += CountEverywhere(counter).counted(); };
  bool good = true;
  count();
  good &= SwapOrAgain(counter, &NewReplicated);
  count();
  good &= SwapOrAgain(counter, &NewShared);
  count();
  const auto value = counter->Value();
  EXPECT(value.ok() || counted != 3 * machine::CpuCount());
  EXPECT_EQ(counter->Value().ValueOr(0), counted);
  EXPECT(IsOk(cobj::Destroy(counter)));
  return good && value.ok() && counted == 3 * machine::CpuCount();
}

// The steps run on every CPU, by threads of the platform's.
GUEST_TEST(debug_failures_swap) {
  const std::int64_t before = test::live_counters;
  guest::FailEach("hot swap", &CountAndSwap, {.whose = mem::FailureInjector::Whose::kEverybodys});
  EXPECT_EQ(test::live_counters.load(), before);
}

}  // namespace
}  // namespace k42
