// This CPU's local interrupt controller (xAPIC, memory-mapped): interprocessor interrupts, the
// one-shot timer, end of interrupt.
#pragma once

#include <cstdint>

#include "platform/contract/types.h"

namespace k42::machine {

// Vectors of our own, above the devices' (irq.cc: 0x30..0xef).
inline constexpr std::uint8_t kVectorTimer = 0xf0;
inline constexpr std::uint8_t kVectorMessage = 0xf1;  // look at your message queue
inline constexpr std::uint8_t kVectorKick = 0xf2;     // leave hlt: a spin lock was released
inline constexpr std::uint8_t kVectorSpurious = 0xff;

// Once: maps the registers.
void MapLapic(PhysAddr address);
// On each CPU. Timer masked.
void StartLapic();

std::uint32_t LapicId();
void EndOfInterrupt();
void SendIpi(CpuId cpu, std::uint8_t vector);
// The same from a trap that interrupts do not wait for: an IPI may be half sent.
void SendIpiFromTrap(CpuId cpu, std::uint8_t vector);
// INIT, then start-up at page `page` of real mode. For start_cpus.cc.
void SendInit(std::uint32_t apic_id);
void SendStartup(std::uint32_t apic_id, std::uint8_t page);
// What for: nmi.h. No effect before MapLapic.
void SendNmi(CpuId cpu);
void SendNmiToOthers();

// The timer counts down from `ticks` and interrupts once; 0 stops it.
void SetLapicTimer(std::uint32_t ticks);
std::uint32_t ReadLapicTimer();

}  // namespace k42::machine
