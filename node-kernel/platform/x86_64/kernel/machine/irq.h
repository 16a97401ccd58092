// Interrupt vectors for devices (MSI-X): one vector of one CPU each.
//
// A handler runs in interrupt context, interrupts off, on the CPU it was allocated for. It may set
// bits, Unblock threads and Send messages, nothing else. It must not touch user memory or block.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "platform/contract/types.h"

namespace k42::machine {

using IrqHandler = void (*)(void*);

struct IrqVector {
  CpuId cpu;
  std::uint8_t vector;
};

// Thread context. kLimitExceeded when `cpu` has none left.
Result<IrqVector> AllocateIrq(CpuId cpu, IrqHandler handler, void* argument);
// The device must have stopped sending. Waits until no handler of it runs any more.
void FreeIrq(IrqVector irq);

// What to write into an MSI-X table entry so that the interrupt arrives.
struct MsiMessage {
  std::uint64_t address;
  std::uint32_t data;
};
MsiMessage MsiFor(IrqVector irq);

// Lets the interrupt of an old (ISA) device through to `irq`. kNotFound: no IOAPIC has that line.
Status RouteLegacyInterrupt(std::uint32_t line, IrqVector irq);

}  // namespace k42::machine
