// Ways to die: each must end in a panic with a clear message and exit status 3 (run with --panic).
#include "base/assert.h"
#include "guest/guest_test.h"
#include "machine/cpu.h"
#include "machine/interrupts.h"
#include "machine/thread.h"

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

GUEST_TEST(panic_block_with_interrupts_off) {
  machine::InterruptsOff guard;
  machine::Thread::Block();
}

}  // namespace
}  // namespace k42
