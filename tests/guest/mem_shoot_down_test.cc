// Changes of an address space that other CPUs have loaded: when Unmap or Protect has returned, no
// CPU gets at the page any more. Real TLBs, real page tables.
#include <atomic>

#include "boot/start_memory.h"
#include "guest/guest_test.h"
#include "machine/cpu.h"
#include "machine/thread.h"
#include "machine/user_copy.h"
#include "mem/address_space.h"

namespace k42 {
namespace {

using machine::Thread;

constexpr mem::Protection kReadWrite = mem::kProtectRead | mem::kProtectWrite;

// Readers on the other CPUs look at the word all the time and say what they saw.
struct Readers {
  mem::AddressSpace* space;
  std::uint64_t address;
  std::atomic<bool> stop{false};
  std::atomic<std::uint32_t> ended{0};
  std::atomic<std::uint64_t> seen[64] = {};    // last value read
  std::atomic<std::uint64_t> rounds[64] = {};  // reads so far
  std::atomic<bool> refused[64] = {};          // the last read failed

  static void Read(void* argument) {
    auto& self = *static_cast<Readers*>(argument);
    const machine::CpuId cpu = machine::CurrentCpu();
    while (!self.stop.load()) {
      self.space->Activate();
      std::uint64_t value = 0;
      const Status status = machine::CopyIn(&value, self.address, sizeof(value));
      self.refused[cpu].store(!IsOk(status));
      self.seen[cpu].store(value);
      self.rounds[cpu].fetch_add(1);
      Thread::Yield();
    }
    mem::Hat::LeaveThisCpu(boot::MemoryServices().loaded_hats);
    self.ended.fetch_add(1);
    Thread::Exit();
  }
  // Until every reader has begun and ended a read since.
  void AwaitReads() {
    for (machine::CpuId cpu = 1; cpu < machine::CpuCount(); ++cpu) {
      const std::uint64_t goal = rounds[cpu].load() + 2;
      while (rounds[cpu].load() < goal) {
        Thread::Yield();
      }
    }
  }
};

// Where `large`, the page is the middle one of a large page that the readers have in their TLBs.
void ReachEveryCpu(bool large) {
  const Result<mem::AddressSpace*> made = mem::AddressSpace::Create(boot::MemoryServices());
  REQUIRE(made.ok());
  static Readers readers;
  readers.space = made.value();
  mem::AddressSpace& space = *made.value();
  const std::uint64_t size = large ? 2 * mem::kLargePageSize : 4096;
  mem::MapRequest request{.size = size,
                          .protection = kReadWrite,
                          .large = large ? mem::LargePages::kPromised : mem::LargePages::kAsNode};
  const Result<std::uint64_t> at = space.Map(request);
  REQUIRE(at.ok());
  readers.address = at.value() + (large ? 77 * 4096 : 0);
  readers.stop = false;
  readers.ended = 0;
  std::uint64_t value = 1;
  EXPECT_EQ(space.CopyToSpace(readers.address, &value, 8).value(), 8u);
  EXPECT(IsOk(space.ResolveFault(readers.address, mem::Access::kWrite)));
  for (machine::CpuId cpu = 1; cpu < machine::CpuCount(); ++cpu) {
    REQUIRE(Thread::Create("reader", Readers::Read, &readers, cpu).ok());
  }
  readers.AwaitReads();
  for (std::uint64_t round = 2; round < 16; ++round) {
    // Another frame under the same address; and at once nobody has the old one.
    request.address = at.value();
    request.placement = mem::Placement::kFixed;
    EXPECT(space.Map(request).ok());
    EXPECT_EQ(space.CopyToSpace(readers.address, &round, 8).value(), 8u);
    EXPECT(IsOk(space.ResolveFault(readers.address, mem::Access::kWrite)));
    readers.AwaitReads();
    for (machine::CpuId cpu = 1; cpu < machine::CpuCount(); ++cpu) {
      EXPECT(!readers.refused[cpu].load());
      EXPECT_EQ(readers.seen[cpu].load(), round);
    }
  }
  EXPECT_EQ(space.hat().large_pages(), large ? 1u : 0u);
  EXPECT(IsOk(space.Protect(readers.address, 4096, mem::kProtectNone)));
  readers.AwaitReads();
  for (machine::CpuId cpu = 1; cpu < machine::CpuCount(); ++cpu) {
    EXPECT(readers.refused[cpu].load());
  }
  EXPECT(IsOk(space.Unmap(at.value(), size)));
  readers.stop.store(true);
  while (readers.ended.load() < machine::CpuCount() - 1) {
    Thread::Yield();
  }
  space.Destroy();
}

GUEST_TEST(mem_shoot_down_reaches_every_cpu) {
  ReachEveryCpu(false);
}
GUEST_TEST(mem_shoot_down_of_a_part_of_a_large_page) {
  ReachEveryCpu(true);
}

GUEST_TEST(mem_destroy_calls_cpus_home) {
  const std::uint64_t before = boot::Frames().free_frames();
  mem::AddressSpace* space = mem::AddressSpace::Create(boot::MemoryServices()).value();
  static std::atomic<machine::CpuId> loaded;
  loaded = 0;
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    REQUIRE(Thread::Create(
                "loader",
                [](void* argument) {
                  static_cast<mem::AddressSpace*>(argument)->Activate();
                  loaded.fetch_add(1);
                  Thread::Exit();
                },
                space, cpu)
                .ok());
  }
  while (loaded.load() < machine::CpuCount()) {
    Thread::Yield();
  }
  EXPECT_EQ(space->hat().active().Count(), machine::CpuCount());
  space->Destroy();  // every CPU still had it loaded
  // Stacks of the threads above may return a little later.
  for (int i = 0; i < 1000 && boot::Frames().free_frames() < before; ++i) {
    Thread::Yield();
  }
  EXPECT(boot::Frames().free_frames() + 64 >= before);
}

}  // namespace
}  // namespace k42
