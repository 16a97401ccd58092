// A thread that never comes out of an object's method, while its object is known by reference on
// some CPUs and not on others: what a core or a live GDB shows of it (core_dump.py). Run alone.
#include <atomic>

#include "cobj/make.h"
#include "guest/guest_test.h"
#include "machine/cpu.h"
#include "machine/interrupts.h"
#include "machine/log.h"
#include "machine/thread.h"
#include "support/counters.h"

namespace k42 {
namespace {

using machine::Thread;

constinit cobj::Ref<idl::ICounter> watched;
constinit cobj::Ref<idl::ICounter> trap;
constinit std::atomic<bool> trapped{false};

class Trap final : public idl::ICounter {
 public:
  using Interface = idl::ICounter;
  Result<std::uint64_t> Increment(std::uint64_t amount) override {
    machine::InterruptsOff guard;
    trapped = true;
    while (trapped) {
      machine::Pause();
    }
    return amount;
  }
  Result<std::uint64_t> Value() override { return std::uint64_t{0}; }
};

GUEST_TEST(stuck_in_an_object_for_ever) {
  watched = cobj::MakeReplicated<test::ReplicatedCounter>(1).value();
  trap = cobj::MakeShared<Trap>().value();
  REQUIRE(watched->Increment(10).ok());
  REQUIRE(Thread::Create(
              "caller",
              [](void*) {
                (void)watched->Increment(20);
                (void)trap->Increment(30);
              },
              nullptr, 1)
              .ok());
  while (!trapped) {
    Thread::Yield();
  }
  machine::Log("stuck now");
  for (;;) {
    Thread::BlockExternal();
  }
}

}  // namespace
}  // namespace k42
