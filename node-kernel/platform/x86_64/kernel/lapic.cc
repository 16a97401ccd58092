#include "lapic.h"

#include "base/assert.h"
#include "machine/cpu.h"
#include "machine/interrupts.h"
#include "machine/phys.h"

namespace k42::machine {
namespace {

enum Register : std::uint32_t {
  kId = 0x20,
  kEoi = 0xb0,
  kSpurious = 0xf0,
  kCommandLow = 0x300,
  kCommandHigh = 0x310,
  kLvtTimer = 0x320,
  kLvtLint0 = 0x350,
  kLvtLint1 = 0x360,
  kLvtError = 0x370,
  kTimerInitial = 0x380,
  kTimerCurrent = 0x390,
  kTimerDivide = 0x3e0,
};
constexpr std::uint32_t kMasked = 1 << 16;
constexpr std::uint32_t kEnable = 1 << 8;
constexpr std::uint32_t kPending = 1 << 12;
constexpr std::uint32_t kAssert = 1 << 14;
constexpr std::uint32_t kNmi = 4 << 8;
constexpr std::uint32_t kInit = 5 << 8;
constexpr std::uint32_t kStartup = 6 << 8;
constexpr std::uint32_t kDivideByOne = 0xb;

// The same address on every CPU reaches that CPU's own registers. Constant after MapLapic.
constinit volatile std::uint32_t* registers = nullptr;

std::uint32_t Read(Register r) {
  return registers[r / 4];
}
void Write(Register r, std::uint32_t value) {
  registers[r / 4] = value;
}

void Command(std::uint32_t apic_id, std::uint32_t command) {
  InterruptsOff guard;  // an interrupt's own command between the two words would redirect ours
  while ((Read(kCommandLow) & kPending) != 0) {
    Pause();
  }
  Write(kCommandHigh, apic_id << 24);
  Write(kCommandLow, command);
}

// From a trap that nothing keeps out (an NMI, a single step): it may have come between the two
// words of a Command, whose first it leaves as it was.
void CommandFromTrap(std::uint32_t apic_id, std::uint32_t command) {
  const std::uint32_t interrupted = Read(kCommandHigh);
  Command(apic_id, command);
  while ((Read(kCommandLow) & kPending) != 0) {
    Pause();
  }
  Write(kCommandHigh, interrupted);
}

}  // namespace

void MapLapic(PhysAddr address) {
  const Result<volatile void*> mapped = MapDevice(address, kPageSize);
  K42_ASSERT(mapped.ok(), "the local APIC must be mapped");
  registers = static_cast<volatile std::uint32_t*>(mapped.value());
}

void StartLapic() {
  Write(kSpurious, kEnable | kVectorSpurious);
  Write(kLvtLint0, kMasked);
  // Where the host's operator sends his NMI: one CPU must do (nmi.h).
  Write(kLvtLint1, CurrentCpu() == 0 ? kNmi : kMasked);
  Write(kLvtError, kMasked);
  Write(kTimerDivide, kDivideByOne);
  Write(kLvtTimer, kVectorTimer);  // one-shot
  Write(kTimerInitial, 0);
}

std::uint32_t LapicId() {
  return Read(kId) >> 24;
}
void EndOfInterrupt() {
  Write(kEoi, 0);
}
void SendIpi(CpuId cpu, std::uint8_t vector) {
  Command(AreaOf(cpu)->apic_id, kAssert | vector);
}
void SendIpiFromTrap(CpuId cpu, std::uint8_t vector) {
  CommandFromTrap(AreaOf(cpu)->apic_id, kAssert | vector);
}
void SendInit(std::uint32_t apic_id) {
  Command(apic_id, kAssert | kInit);
}
void SendStartup(std::uint32_t apic_id, std::uint8_t page) {
  Command(apic_id, kAssert | kStartup | page);
}

void SendNmi(CpuId cpu) {
  if (registers != nullptr) {
    CommandFromTrap(AreaOf(cpu)->apic_id, kAssert | kNmi);
  }
}
void SendNmiToOthers() {
  // One by one: a processor that did not start has no handler.
  for (CpuId cpu = 0; cpu < CpuCount(); ++cpu) {
    if (cpu != CurrentCpu()) {
      SendNmi(cpu);
    }
  }
}

void SetLapicTimer(std::uint32_t ticks) {
  Write(kTimerInitial, ticks);
}
std::uint32_t ReadLapicTimer() {
  return Read(kTimerCurrent);
}

}  // namespace k42::machine
