// What QEMU's -append gives arrives (run with: --append 'probe=seen "words=two words"').
#include "guest/guest_test.h"
#include "machine/boot_info.h"

namespace k42 {
namespace {

GUEST_TEST(boot_options_absent_key_gives_fallback) {
  EXPECT(machine::BootOption("no-such-key", "fallback") == "fallback");
}

GUEST_TEST(boot_info_is_filled) {
  const machine::BootInfo& info = machine::GetBootInfo();
  EXPECT(info.ram_size >= 32 << 20);
  EXPECT(info.highest_ram >= info.ram_size);
  if (machine::BootOption("arena", "") != "") {
    EXPECT_EQ(info.arena.size() >> 20, 31u);  // 32 MiB less the firmware's tables
  }
}

}  // namespace
}  // namespace k42
