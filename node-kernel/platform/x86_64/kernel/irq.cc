#include "machine/irq.h"

#include <array>
#include <atomic>

#include "base/assert.h"
#include "machine/cpu.h"
#include "machine/spin_lock.h"
#include "machine/thread.h"
#include "traps.h"

namespace k42::machine {
namespace {

constexpr std::uint8_t kFirstVector = 0x30;
constexpr std::uint8_t kLastVector = 0xef;
constexpr std::size_t kVectors = kLastVector - kFirstVector + 1;

// Written under the lock; read by the CPU's interrupt handler: argument before handler.
struct Slot {
  std::atomic<IrqHandler> handler{nullptr};
  std::atomic<void*> argument{nullptr};
  bool used = false;
};
constexpr HoldReason kSearch{2500, "a free vector is looked for, when a device starts"};
constinit SpinLock<LockRank::kVector> lock;  // which slots are used
constinit std::array<std::array<Slot, kVectors>, kMaxCpus> slots;

}  // namespace

Result<IrqVector> AllocateIrq(CpuId cpu, IrqHandler handler, void* argument) {
  if (cpu >= CpuCount()) {
    return Status::kInvalidArgument;
  }
  SpinGuard guard(lock, kSearch);
  for (std::size_t i = 0; i < kVectors; ++i) {
    Slot& slot = slots[cpu][i];
    if (!slot.used) {
      slot.used = true;
      slot.argument.store(argument, std::memory_order_relaxed);
      slot.handler.store(handler, std::memory_order_release);
      return IrqVector{cpu, static_cast<std::uint8_t>(kFirstVector + i)};
    }
  }
  return Status::kLimitExceeded;
}

void FreeIrq(IrqVector irq) {
  K42_ASSERT(irq.cpu < kMaxCpus && irq.vector >= kFirstVector && irq.vector <= kLastVector,
             "a vector from AllocateIrq");
  Slot& slot = slots[irq.cpu][irq.vector - kFirstVector];
  slot.handler.store(nullptr, std::memory_order_release);
  // Handlers run with interrupts off: once that CPU runs a message, none is under way.
  struct Done : CpuMessage {
    Thread* waiter;
    std::atomic<bool> done{false};
  } message;
  message.waiter = Thread::Current();
  message.handler = [](CpuMessage* m) {
    auto* self = static_cast<Done*>(m);
    Thread* waiter = self->waiter;
    self->done.store(true, std::memory_order_release);
    waiter->Unblock();
  };
  Send(irq.cpu, &message);
  while (!message.done.load(std::memory_order_acquire)) {
    Thread::Block();
  }
  SpinGuard guard(lock);
  slot.used = false;
}

MsiMessage MsiFor(IrqVector irq) {
  constexpr std::uint64_t kMsiBase = 0xfee0'0000;
  return {kMsiBase | std::uint64_t{AreaOf(irq.cpu)->apic_id} << 12, irq.vector};
}

bool HandleDeviceInterrupt(std::uint8_t vector) {
  if (vector < kFirstVector || vector > kLastVector) {
    return false;
  }
  Slot& slot = slots[CurrentCpu()][vector - kFirstVector];
  const IrqHandler handler = slot.handler.load(std::memory_order_acquire);
  if (handler == nullptr) {
    return slot.used;  // just being freed
  }
  handler(slot.argument.load(std::memory_order_relaxed));
  return true;
}

}  // namespace k42::machine
