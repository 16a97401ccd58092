// What is typed on the serial line arrives at the console's reader (run with --type 'hello').
#include <string_view>

#include "boot/start_terminals.h"
#include "guest/guest_test.h"
#include "machine/boot_info.h"
#include "machine/clock.h"
#include "machine/thread.h"
#include "machine/timer.h"

namespace k42 {
namespace {

GUEST_TEST(console_reads_what_is_typed) {
  const std::string_view wanted = machine::BootOption("typed", "");
  if (wanted.empty())
    SKIP("nobody is at the keyboard");
  machine::Log("ready for typing");
  char line[64];
  for (int tries = 0; tries < 200; ++tries) {
    const auto size = boot::Terminals().console()->Read(cobj::CallContext::Kernel(),
                                                        BufferOut::Kernel(line, sizeof(line)));
    if (size.ok()) {
      EXPECT(std::string_view(line, size.value() - 1) == wanted);
      return;
    }
    EXPECT_EQ(size.status(), Status::kWouldBlock);
    machine::Timer timer;
    timer.Arm(
        machine::MonotonicNs() + 50'000'000,
        [](void* thread) { static_cast<machine::Thread*>(thread)->Unblock(); },
        machine::Thread::Current());
    machine::Thread::Block();
  }
  EXPECT(!"something was typed");
}

}  // namespace
}  // namespace k42
