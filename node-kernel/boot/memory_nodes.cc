#include "boot/memory_nodes.h"

#include <algorithm>

#include "base/assert.h"
#include "boot/start_memory.h"
#include "machine/cpu.h"
#include "machine/cpu_area.h"
#include "machine/log.h"
#include "pvh.h"

namespace k42::boot {
namespace {

// domains[node]: written by StartMemory on the boot CPU.
constinit std::uint32_t domains[mem::FrameAllocator::kMaxNodes] = {};
constinit std::uint32_t node_count = 0;

std::uint8_t NodeOf(std::uint32_t domain) {
  for (std::uint32_t node = 0; node < node_count; ++node) {
    if (domains[node] == domain) {
      return static_cast<std::uint8_t>(node);
    }
  }
  if (node_count < std::size(domains)) {
    domains[node_count++] = domain;
  }
  return static_cast<std::uint8_t>(node_count - 1);
}

// The domain at `address`, and where it may change next.
struct Stretch {
  std::uint32_t domain;
  machine::PhysAddr end;
};
Stretch StretchAt(machine::PhysAddr address) {
  const machine::AcpiInfo& acpi = machine::GetAcpi();
  Stretch stretch{0, ~machine::PhysAddr{0}};
  for (std::uint32_t i = 0; i < acpi.memory_count; ++i) {
    const machine::AcpiInfo::Memory& memory = acpi.memory[i];
    if (address >= memory.begin && address < memory.end) {
      return {memory.domain, memory.end};
    }
    if (address < memory.begin) {
      stretch.end = std::min(stretch.end, memory.begin);
    }
  }
  return stretch;
}

}  // namespace

std::size_t SplitByNode(std::span<const machine::PhysRange> ranges,
                        std::span<mem::MemoryRange> pieces) {
  std::size_t count = 0;
  for (const machine::PhysRange& range : ranges) {
    for (machine::PhysAddr at = range.begin; at < range.end;) {
      const Stretch stretch = StretchAt(at);
      const machine::PhysAddr end =
          std::min(range.end, AlignUp(std::min(stretch.end, range.end), machine::kPageSize));
      K42_ASSERT(count < pieces.size(), "more ranges of free memory than expected");
      pieces[count++] = {at, end, NodeOf(stretch.domain)};
      at = end;
    }
  }
  return count;
}

void AssignCpusToNodes() {
  if (node_count < 2) {
    return;
  }
  const machine::AcpiInfo& acpi = machine::GetAcpi();
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    for (std::uint32_t i = 0; i < acpi.cpu_count; ++i) {
      if (acpi.cpus[i].apic_id != machine::AreaOf(cpu)->apic_id) {
        continue;
      }
      for (std::uint32_t node = 0; node < node_count; ++node) {
        if (domains[node] == acpi.cpus[i].domain) {
          Frames().SetCpuNode(cpu, static_cast<std::uint8_t>(node));
        }
      }
    }
    machine::Log("memory: CPU {} is on node {} of {}", cpu, Frames().node_of(cpu), node_count);
  }
}

}  // namespace k42::boot
