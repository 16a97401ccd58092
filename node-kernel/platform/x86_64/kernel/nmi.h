// Non-maskable interrupts: how one CPU looks at another that may have its interrupts off.
//
// Whoever sends an NMI says first what for; the handler leaves a picture of what it interrupted and
// acts. In this order:
//   panic     the CPU halts for good
//   frozen    the CPU waits until the debugger lets it go (it spins: inside an NMI no other comes,
//             so nothing could wake a halted CPU)
//   asked     the picture was all
//   else      nobody in this kernel sent it: the host's operator wants the debugger
// An NMI from outside reaches CPU 0 only (LINT1 of its local APIC).
//
// Sound anywhere: no lock, no allocation, no log line here.
#pragma once

#include <cstdint>

#include "machine/trap_frame.h"
#include "platform/contract/types.h"

namespace k42::machine {

// What a CPU was doing when the last NMI came to it.
struct CpuPicture {
  std::uint64_t number;  // grows; 0: never taken
  TrapFrame frame;

  bool interrupts_on() const { return (frame.rflags & 0x200) != 0; }
};

// `cpu`'s last picture. It may change while it is read unless the CPU is frozen or halted; the
// number says whether it did.
CpuPicture PictureOf(CpuId cpu);
// The number alone.
std::uint64_t PictureNumber(CpuId cpu);
// Has the CPU take a new one: it is there when PictureNumber has grown. Never one's own CPU.
void AskForPicture(CpuId cpu);

// What runs in the debugger: on the NMI's stack (8 KiB), all other CPUs frozen that answered within
// 100 ms. When it returns everybody goes on. Set by boot/.
using Debugger = void (*)(const TrapFrame& here);
void SetDebugger(Debugger debugger);
// From an interrupt handler or a thread: enters it at once, on this CPU.
void EnterDebugger();

// The others take a picture and halt for good. Waits a moment for the pictures.
void StopOtherCpus();

void OnNmi(const TrapFrame& frame);

}  // namespace k42::machine
