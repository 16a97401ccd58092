// Memory runs out (fail_each.h): for clustered objects and their factories, and for kernel threads.
#include <atomic>

#include "cobj/factory.h"
#include "cobj/make.h"
#include "guest/fail_each.h"
#include "guest/guest_test.h"
#include "idl/counter.forward.h"
#include "machine/cpu.h"
#include "machine/kernel_layout.h"
#include "support/counters.h"
#include "thread_stack.h"

namespace k42 {
namespace {

using guest::FailEach;
using idl::ICounter;
using machine::Thread;
using test::ReplicatedCounter;
using test::SharedCounter;

Result<cobj::Root*> NewShared(Allocator& allocator) {
  return static_cast<cobj::Root*>(TRY(allocator.Make<cobj::SharedRoot<SharedCounter>>()));
}
template <std::uint32_t kFactor>
Result<cobj::Root*> NewReplicated(Allocator& allocator) {
  return static_cast<cobj::Root*>(
      TRY(allocator.Make<cobj::ReplicatedRoot<ReplicatedCounter>>(allocator, kFactor)));
}

template <typename Make>
void FailObject(const char* name, Make make) {
  FailEach(name, [&] {
    const auto object = make();
    if (!object.ok()) {
      return false;
    }
    const bool called = object.value()->Increment(1).ok();
    EXPECT(IsOk(cobj::Destroy(object.value())));
    return called;
  });
}

GUEST_TEST(debug_failures_objects) {
  FailObject("shared object", [] { return cobj::MakeShared<SharedCounter>(); });
  for (std::uint32_t factor = 1; factor <= machine::CpuCount(); factor *= 2) {
    machine::Log("  factor {}", factor);
    FailObject("replicated object",
               [&] { return cobj::MakeReplicated<ReplicatedCounter>(factor); });
  }
}

GUEST_TEST(debug_failures_factory) {
  Allocator& allocator = cobj::node_objects->allocator();
  static constinit cobj::CodeUse shared_code(&NewShared), replicated_code(&NewReplicated<1>);
  using Counters = cobj::Factory<ICounter>;
  Counters* const factory = allocator.Make<Counters>(1u, &NewShared).value();
  FailEach("factory", [&] {
    const auto made = factory->Create();
    if (!made.ok()) {
      return false;
    }
    bool good = made.value()->Increment(1).ok();
    const bool second = factory->version() == 2;
    const cobj::ClassVersion next =
        second ? cobj::ClassVersion{1, &shared_code} : cobj::ClassVersion{2, &replicated_code};
    const auto failed = factory->Update(next);
    EXPECT(failed.ok());
    good &= failed.ValueOr(1) == 0;
    EXPECT_EQ(factory->Outdated(), failed.ValueOr(0));
    EXPECT(IsOk(cobj::Destroy(made.value())));
    return good;
  });
  EXPECT_EQ(factory->count(), 0u);
  allocator.Destroy(factory);
}

// A stack that could not be mapped costs no slot, and what was mapped of it is the next one's.
GUEST_TEST(debug_failures_thread) {
  mem::FailureInjector& failures = boot::Frames().failures();
  static std::atomic<std::uint32_t> ran;
  ran = 0;
  // 1. No stack is free.
  std::uint64_t held = 0;
  const std::uint64_t area = machine::StackAreaUsed();
  while (machine::StackAreaUsed() == area) {
    const auto bottom = machine::AllocateStack();
    REQUIRE(bottom.ok());
    *reinterpret_cast<std::uint64_t*>(bottom.value()) = held;
    held = bottom.value();
  }
  // 2. A thread's fails, one page later each time.
  const std::uint64_t used = machine::StackAreaUsed();
  const std::uint64_t frames = guest::FramesInUse();
  std::uint64_t refused = 0;
  for (bool made = false; !made;) {
    failures.Arm(refused);
    made = Thread::Create(
               "failing", [](void*) { ++ran; }, nullptr, machine::CurrentCpu())
               .ok();
    const bool failed = failures.Disarm() != 0;
    EXPECT_EQ(made, !failed);
    refused += failed ? 1 : 0;
    EXPECT_EQ(machine::StackAreaUsed(), made ? used + machine::kStackSlotSize : used);
    REQUIRE(made == !failed);
  }
  while (ran != 1) {
    Thread::Yield();
  }
  constexpr std::uint64_t kPages = machine::kStackSize / 4096;
  constexpr std::uint64_t kTables = 3;
  EXPECT(refused >= 3);  // each try goes on where the one before ended
  EXPECT(guest::FramesInUse() <= frames + kPages + kTables);
  while (held != 0) {
    const std::uint64_t bottom = held;
    held = *reinterpret_cast<std::uint64_t*>(bottom);
    machine::FreeStack(bottom);
  }
}

}  // namespace
}  // namespace k42
