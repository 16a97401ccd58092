// What the kernel takes from the firmware's ACPI tables: processors, interrupt controllers, memory
// affinity (SRAT, by which the fabric arena is found) and the power-management timer.
//
// Hostile-input safe: every length is checked before it is believed, bad checksums and truncated
// entries end the table they are in, limits are fixed, loops always advance. Pure: the tables are
// reached through a reader, so that tests and fuzzers can supply any bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "platform/contract/types.h"

namespace k42::machine {

// Gives `size` bytes of physical memory at `address`, or an empty span if it has not all of them.
struct AcpiReader {
  std::span<const std::byte> (*read)(void* context, PhysAddr address, std::size_t size);
  void* context;
};

struct AcpiInfo {
  struct Cpu {
    std::uint32_t apic_id;
    std::uint32_t domain;  // proximity domain, 0 if SRAT is silent
  };
  struct IoApic {
    std::uint32_t id;
    std::uint32_t address;
    std::uint32_t first_interrupt;
  };
  struct Memory {
    PhysAddr begin;
    PhysAddr end;
    std::uint32_t domain;
  };

  PhysAddr lapic_address = 0;
  std::uint32_t pm_timer_port = 0;  // 0: none
  std::uint32_t cpu_count = 0;      // enabled ones, in MADT order
  std::uint32_t cpus_ignored = 0;   // enabled, but beyond kMaxCpus
  std::uint32_t io_apic_count = 0;
  std::uint32_t memory_count = 0;
  std::array<Cpu, kMaxCpus> cpus{};
  std::array<IoApic, 8> io_apics{};
  std::array<Memory, 32> memory{};
  // Which interrupt an ISA line has become; itself unless the firmware says otherwise.
  std::array<std::uint32_t, 16> isa_interrupts{};
};

// kCorrupt: no believable RSDP or root table. A missing or bad MADT or SRAT leaves its part empty.
Result<std::uint32_t> ParseAcpi(PhysAddr rsdp, const AcpiReader& reader, AcpiInfo& info);

}  // namespace k42::machine
