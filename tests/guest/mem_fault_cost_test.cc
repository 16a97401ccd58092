// What the fault path costs, without the trap. Meaningful as a count of instructions: run with
// `-smp 1 -accel tcg,thread=single -icount shift=0`, where one instruction is one nanosecond.
#include "boot/start_memory.h"
#include "guest/guest_test.h"
#include "machine/clock.h"
#include "mem/address_space.h"

namespace k42 {
namespace {

constexpr std::uint64_t kPages = 256;

template <typename F>
std::uint64_t EachOf(std::uint64_t count, F work) {
  const std::uint64_t start = machine::MonotonicNs();
  for (std::uint64_t i = 0; i < count; ++i) {
    work(i);
  }
  return (machine::MonotonicNs() - start) / count;
}

GUEST_TEST(mem_fault_cost) {
  mem::AddressSpace* space = mem::AddressSpace::Create(boot::MemoryServices()).value();
  const std::uint64_t at =
      space->Map({.size = kPages * 4096, .protection = mem::kProtectRead | mem::kProtectWrite})
          .value();
  const auto touch_in = [&](mem::AddressSpace* which) {
    return EachOf(kPages, [&](std::uint64_t i) {
      EXPECT(IsOk(which->HandleFault(at + i * 4096, mem::Access::kWrite, nullptr)));
    });
  };
  const std::uint64_t first = touch_in(space);
  const std::uint64_t again = touch_in(space);
  mem::AddressSpace* child = nullptr;
  const std::uint64_t fork = EachOf(1, [&](std::uint64_t) { child = space->ForkCopy().value(); });
  const std::uint64_t copied = touch_in(child);
  const std::uint64_t in_place = touch_in(space);
  machine::Log("  per page: first touch {}, present {}, copy {}, in place {}; fork of {}: {}",
               first, again, copied, in_place, kPages, fork);
  const std::uint64_t destroy = EachOf(1, [&](std::uint64_t) { child->Destroy(); });
  std::uint64_t small = 0;
  const std::uint64_t map = EachOf(100, [&](std::uint64_t) {
    small = space->Map({.size = 4096, .protection = mem::kProtectRead}).value();
    EXPECT(IsOk(space->Unmap(small, 4096)));
  });
  machine::Log("  destroy {}, map and unmap of a page {}", destroy, map);
  space->Destroy();
}

// What a MiB costs by small pages and by large ones: touched first, granted again, unmapped.
GUEST_TEST(mem_large_pages_cost) {
  constexpr std::uint64_t kMib = 1 << 20, kSize = 16 * kMib;
  const std::uint64_t before = boot::Frames().free_frames();
  mem::AddressSpace* space = mem::AddressSpace::Create(boot::MemoryServices()).value();
  const auto touch = [&](mem::LargePages large) {
    const std::uint64_t at = space
                                 ->Map({.address = kSize,
                                        .size = kSize,
                                        .placement = mem::Placement::kFixed,
                                        .protection = mem::kProtectRead | mem::kProtectWrite,
                                        .large = large})
                                 .value();
    const std::uint64_t step = large == mem::LargePages::kWanted ? mem::kLargePageSize : 4096;
    const std::uint64_t start = machine::MonotonicNs();
    for (std::uint64_t i = 0; i < kSize; i += step) {
      EXPECT(IsOk(space->HandleFault(at + i, mem::Access::kWrite, nullptr)));
    }
    const std::uint64_t touched = machine::MonotonicNs();
    EXPECT_EQ(space->hat().resident_pages(), kSize / 4096);
    EXPECT(IsOk(space->Protect(at, kSize, mem::kProtectRead)));
    EXPECT(IsOk(space->Protect(at, kSize, mem::kProtectRead | mem::kProtectWrite)));
    const std::uint64_t again = machine::MonotonicNs();
    for (std::uint64_t i = 0; i < kSize; i += step) {
      EXPECT(IsOk(space->HandleFault(at + i, mem::Access::kWrite, nullptr)));
    }
    const std::uint64_t granted = machine::MonotonicNs();
    EXPECT(IsOk(space->Unmap(at + 7 * 4096, 4096)));
    EXPECT(IsOk(space->HandleFault(at + 6 * 4096, mem::Access::kWrite, nullptr)));
    const std::uint64_t unmap = machine::MonotonicNs();
    EXPECT(IsOk(space->Unmap(at, kSize)));
    machine::Log("  touch_{} {}", large == mem::LargePages::kWanted ? "large" : "small",
                 (touched - start) / (kSize / kMib));
    machine::Log("  again {}, unmapped {}", (granted - again) / (kSize / kMib),
                 (machine::MonotonicNs() - unmap) / (kSize / kMib));
  };
  touch(mem::LargePages::kAsNode);
  touch(mem::LargePages::kWanted);
  space->Destroy();
  EXPECT(boot::Frames().free_frames() + 64 >= before);
}

}  // namespace
}  // namespace k42
