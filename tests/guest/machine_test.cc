// Interrupt vectors, user copies, random numbers, CPU areas: the platform's remaining services.
#include <atomic>

#include "guest/guest_test.h"
#include "lapic.h"
#include "machine/cpu.h"
#include "machine/cpu_area.h"
#include "machine/irq.h"
#include "machine/random.h"
#include "machine/thread.h"
#include "machine/user_copy.h"

namespace k42 {
namespace {

using machine::CpuId;
using machine::Thread;

GUEST_TEST(irq_reaches_the_cpu_it_was_allocated_for) {
  struct Probe {
    Thread* waiter = Thread::Current();
    std::atomic<std::uint32_t> count{0};
    std::atomic<CpuId> cpu{~0u};
  };
  for (CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    Probe probe;
    const auto irq = machine::AllocateIrq(
        cpu,
        [](void* argument) {
          auto* p = static_cast<Probe*>(argument);
          p->cpu = machine::CurrentCpu();
          p->count.fetch_add(1);
          p->waiter->Unblock();
        },
        &probe);
    REQUIRE(irq.ok());
    machine::SendIpi(cpu, irq.value().vector);  // as a device's write to MsiFor(irq) would do
    while (probe.count == 0) {
      Thread::Block();
    }
    EXPECT_EQ(probe.cpu.load(), cpu);
    machine::FreeIrq(irq.value());
  }
}

GUEST_TEST(irq_vectors_run_out_and_come_back) {
  static machine::IrqVector taken[256];
  std::uint32_t count = 0;
  for (;;) {
    const auto irq = machine::AllocateIrq(
        0, [](void*) {}, nullptr);
    if (!irq.ok()) {
      EXPECT_EQ(irq.status(), Status::kLimitExceeded);
      break;
    }
    REQUIRE(count < 256);
    taken[count++] = irq.value();
  }
  EXPECT(count >= 100);
  for (std::uint32_t i = 0; i < count; ++i) {
    machine::FreeIrq(taken[i]);
  }
  EXPECT(machine::AllocateIrq(
             machine::CpuCount(), [](void*) {}, nullptr)
             .status() == Status::kInvalidArgument);
}

// No process is current on this thread: nothing of the lower half is mapped.
GUEST_TEST(user_copy_refuses_bad_addresses) {
  std::uint64_t value = 1;
  constexpr std::uint64_t kKernel = 0xffff'8000'0000'0000;
  constexpr std::uint64_t kNonCanonical = 0x0000'8000'0000'0000;
  for (const std::uint64_t address :
       {std::uint64_t{0x1000}, kKernel, kNonCanonical, ~std::uint64_t{7}}) {
    EXPECT_EQ(machine::CopyIn(&value, address, sizeof(value)), Status::kBadAddress);
    EXPECT_EQ(machine::CopyOut(address, &value, sizeof(value)), Status::kBadAddress);
    EXPECT_EQ(machine::ZeroUser(address, 100), Status::kBadAddress);
    EXPECT_EQ(machine::LoadUser32(address).status(), Status::kBadAddress);
    EXPECT_EQ(machine::CompareExchangeUser32(address, 0, 1).status(), Status::kBadAddress);
    char text[8];
    EXPECT_EQ(machine::CopyInText(text, address, sizeof(text)).status(), Status::kBadAddress);
  }
  EXPECT_EQ(machine::CopyIn(&value, 0x1000, ~0ull), Status::kBadAddress);
  EXPECT_EQ(machine::LoadUser32(0x1002).status(), Status::kBadAddress);
  EXPECT_EQ(value, 1u);
}

GUEST_TEST(random_numbers_differ) {
  const std::uint64_t first = machine::Random64();
  EXPECT(first != machine::Random64());
  unsigned char bytes[33] = {};
  machine::FillRandom(bytes, sizeof(bytes));
  unsigned zeros = 0;
  for (unsigned char byte : bytes) {
    zeros += byte == 0 ? 1 : 0;
  }
  EXPECT(zeros < 8);
}

GUEST_TEST(cpu_areas_are_where_they_belong) {
  static std::atomic<std::uint32_t> right;
  static Thread* waiter;
  right = 0;
  waiter = Thread::Current();
  for (CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    REQUIRE(Thread::Create(
                "area",
                [](void*) {
                  machine::CpuArea* area = machine::ThisCpuArea();
                  const auto* slots = reinterpret_cast<volatile std::uint64_t*>(
                      reinterpret_cast<std::uint64_t>(area) + machine::kObjectTableOffset);
                  const std::uint64_t last =
                      slots[machine::kObjectTableBootSlots * machine::kObjectSlotSize / 8 - 1];
                  static_cast<void>(last);  // mapped, or we are dead
                  right += area == machine::AreaOf(machine::CurrentCpu()) ? 1 : 0;
                  waiter->Unblock();
                },
                nullptr, cpu)
                .ok());
  }
  for (int i = 0; i < 1000 && right < machine::CpuCount(); ++i) {
    Thread::Block();
  }
  EXPECT_EQ(right.load(), machine::CpuCount());
}

}  // namespace
}  // namespace k42
