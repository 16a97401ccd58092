// Ways to die: each must end in a panic with a clear message and exit status 3 (run with --panic).
#include "base/assert.h"
#include "cobj/make.h"
#include "guest/guest_test.h"
#include "machine/cpu.h"
#include "machine/interrupts.h"
#include "machine/mutex.h"
#include "machine/spin_lock.h"
#include "machine/thread.h"
#include "nmi.h"
#include "support/counters.h"
#include "support/lock_tests.h"

namespace k42 {
namespace {

GUEST_TEST(panic_assert) {
  K42_ASSERT(machine::CpuCount() == 0, "the test wants it so");
}

GUEST_TEST(panic_null_read) {
  auto* nowhere = reinterpret_cast<volatile int*>(std::uintptr_t{8});
  asm("" : "+r"(nowhere));
  static_cast<void>(*nowhere);
}

GUEST_TEST(panic_write_to_code) {
  // The kernel's own text is mapped without write permission.
  auto* code = reinterpret_cast<volatile unsigned char*>(&machine::CpuCount);
  *code = 0xcc;
}

[[gnu::noinline]] int Recurse(int depth) {
  volatile char frame[256];
  frame[0] = static_cast<char>(depth);
  return depth == 0 ? 0 : Recurse(depth - 1) + frame[0];
}

GUEST_TEST(panic_stack_overflow) {
  auto made = machine::Thread::Create(
      "deep", [](void*) { machine::Log("{}", Recurse(1 << 20)); }, nullptr,
      machine::CpuCount() - 1);
  EXPECT(made.ok());
  for (;;) {
    machine::Thread::Block();
  }
}

// What runs in the debugger runs on the NMI's stack.
GUEST_TEST(panic_nmi_stack_overflow) {
  machine::SetDebugger([](const machine::TrapFrame&) { machine::Log("{}", Recurse(1 << 20)); });
  machine::EnterDebugger();
}

GUEST_TEST(panic_block_with_interrupts_off) {
  machine::InterruptsOff guard;
  machine::Thread::Block();
}

// -- found by debug kernels alone (panics.py --debug) ---------------------------------------------

GUEST_TEST(panic_lock_order) {
  static constinit machine::SpinLock<LockRank::kFrames> inner;
  static constinit machine::SpinLock<LockRank::kRoot> outer;
  const machine::SpinGuard first(inner);
  const machine::SpinGuard second(outer);
}

GUEST_TEST(panic_blocking_lock_order) {
  static constinit sync::BlockingLock<LockRank::kFile> inner;
  static constinit machine::Mutex<LockRank::kProcess> outer;
  const machine::MutexGuard first(inner);
  const machine::MutexGuard second(outer);
}

GUEST_TEST(panic_lock_taken_twice) {
  test::the_lock<test::Spin>.Lock();
  test::the_lock<test::Spin>.Lock();
}

GUEST_TEST(panic_call_under_a_spin_lock) {
  const auto counter = cobj::MakeShared<test::SharedCounter>().value();
  const machine::SpinGuard guard(test::the_lock<test::Spin>);
  (void)counter->Value();
}

GUEST_TEST(panic_call_under_a_blocking_lock) {
  const auto counter = cobj::MakeShared<test::SharedCounter>().value();
  const machine::MutexGuard guard(test::the_lock<test::ReadWrite>);
  (void)counter->Value();
}

[[gnu::noinline]] void WaitsForNobody() {
  for (;;) {
    machine::Thread::Block();  // active all the time, and nobody will ever wake it
  }
}

GUEST_TEST(panic_waits_outside_block_external) {
  REQUIRE(machine::Thread::Create(
              "culprit", [](void*) { WaitsForNobody(); }, nullptr, machine::CpuCount() - 1)
              .ok());
  for (;;) {
    machine::Thread::BlockExternal();
  }
}

}  // namespace
}  // namespace k42
