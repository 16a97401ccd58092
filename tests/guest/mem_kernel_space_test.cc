// Kernel mappings larger than any run of frames: contents, growth, guard pages' places, reuse.
#include "boot/start_memory.h"
#include "guest/guest_test.h"
#include "mem/kernel_space.h"

namespace k42 {
namespace {

GUEST_TEST(mem_kernel_space_grows_and_returns) {
  mem::KernelSpace space(boot::MemoryServices().frames, machine::kKernelSpaceEnd - (1ull << 30),
                         machine::kKernelSpaceEnd);
  std::uint64_t start = 0;
  std::uint64_t free = 0;
  for (int round = 0; round < 3; ++round) {
    const Result<mem::KernelRange*> first = space.Reserve(8 << 20);
    const Result<mem::KernelRange*> second = space.Reserve(5000);
    REQUIRE(first.ok() && second.ok());
    EXPECT(second.value()->start >= first.value()->start + (8 << 20) + 4096);
    EXPECT(round == 0 || first.value()->start == start);
    start = first.value()->start;
    EXPECT(IsOk(space.Grow(first.value(), 3 << 20)));
    EXPECT(IsOk(space.Grow(first.value(), 1 << 20)));
    EXPECT_EQ(space.Grow(first.value(), 5 << 20) == Status::kOutOfRange, true);
    EXPECT(IsOk(space.Grow(second.value(), 5000)));
    auto* words = static_cast<volatile std::uint64_t*>(first.value()->data());
    for (std::uint64_t i = 0; i < (4 << 20) / 8; i += 512) {
      EXPECT(words[i] == 0);
      words[i] = i;
    }
    space.Protect(first.value(), mem::KernelAccess::kReadOnly);
    EXPECT(words[512] == 512);
    space.Release(first.value());
    space.Release(second.value());
    // The tables stay after the first round; everything else comes back.
    EXPECT(round == 0 || boot::MemoryServices().frames.free_frames() == free);
    free = boot::MemoryServices().frames.free_frames();
  }
}

}  // namespace
}  // namespace k42
