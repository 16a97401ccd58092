#include "platform/x86_64/shared/acpi.h"

#include <cstring>

namespace k42::machine {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t kHeaderSize = 36;
constexpr std::size_t kMaxTableSize = 1 << 20;
constexpr std::size_t kMaxTables = 256;

// Precondition: offset + sizeof(T) <= bytes.size(). Tables are not aligned.
template <typename T>
T Load(Bytes bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

bool SumsToZero(Bytes bytes) {
  unsigned sum = 0;
  for (std::byte b : bytes) {
    sum += static_cast<unsigned>(b);
  }
  return (sum & 0xff) == 0;
}

bool HasSignature(Bytes bytes, const char* signature, std::size_t size) {
  return bytes.size() >= size && std::memcmp(bytes.data(), signature, size) == 0;
}

// The whole table at `address`, or nothing.
Bytes ReadTable(PhysAddr address, const AcpiReader& reader) {
  const Bytes header = reader.read(reader.context, address, kHeaderSize);
  if (header.size() < kHeaderSize) {
    return {};
  }
  const auto size = Load<std::uint32_t>(header, 4);
  if (size < kHeaderSize || size > kMaxTableSize) {
    return {};
  }
  const Bytes table = reader.read(reader.context, address, size);
  return table.size() == size && SumsToZero(table) ? table : Bytes();
}

// Calls visit(type, entry) for each sub-table from `offset` on; entry includes its two header
// bytes.
template <typename Visit>
void ForEachEntry(Bytes table, std::size_t offset, Visit visit) {
  while (offset + 2 <= table.size()) {
    const auto type = Load<std::uint8_t>(table, offset);
    const auto size = Load<std::uint8_t>(table, offset + 1);
    if (size < 2 || offset + size > table.size()) {
      return;
    }
    visit(type, table.subspan(offset, size));
    offset += size;
  }
}

void AddCpu(AcpiInfo& info, std::uint32_t apic_id, std::uint32_t flags) {
  if ((flags & 1) == 0) {
    return;
  }
  for (std::uint32_t i = 0; i < info.cpu_count; ++i) {
    if (info.cpus[i].apic_id == apic_id) {
      return;
    }
  }
  // Without x2APIC mode an id above 254 cannot be addressed.
  if (info.cpu_count == kMaxCpus || apic_id > 254) {
    ++info.cpus_ignored;
    return;
  }
  info.cpus[info.cpu_count++] = {apic_id, 0};
}

void ParseMadt(Bytes table, AcpiInfo& info) {
  if (table.size() < 44) {
    return;
  }
  info.lapic_address = Load<std::uint32_t>(table, 36);
  ForEachEntry(table, 44, [&](std::uint8_t type, Bytes entry) {
    if (type == 0 && entry.size() >= 8) {
      AddCpu(info, Load<std::uint8_t>(entry, 3), Load<std::uint32_t>(entry, 4));
    } else if (type == 9 && entry.size() >= 16) {
      AddCpu(info, Load<std::uint32_t>(entry, 4), Load<std::uint32_t>(entry, 8));
    } else if (type == 1 && entry.size() >= 12 && info.io_apic_count < info.io_apics.size()) {
      info.io_apics[info.io_apic_count++] = {Load<std::uint8_t>(entry, 2),
                                             Load<std::uint32_t>(entry, 4),
                                             Load<std::uint32_t>(entry, 8)};
    } else if (type == 2 && entry.size() >= 10 &&
               Load<std::uint8_t>(entry, 3) < info.isa_interrupts.size()) {
      info.isa_interrupts[Load<std::uint8_t>(entry, 3)] = Load<std::uint32_t>(entry, 4);
    } else if (type == 5 && entry.size() >= 12) {
      info.lapic_address = Load<std::uint64_t>(entry, 4);
    }
  });
}

void AddMemory(AcpiInfo& info, Bytes entry) {
  const auto domain = Load<std::uint32_t>(entry, 2);
  const auto begin = Load<std::uint64_t>(entry, 8);
  const auto size = Load<std::uint64_t>(entry, 16);
  const auto flags = Load<std::uint32_t>(entry, 28);
  const bool enabled = (flags & 1) != 0;
  if (enabled && size != 0 && begin + size > begin && info.memory_count < info.memory.size()) {
    info.memory[info.memory_count++] = {begin, begin + size, domain};
  }
}

void SetDomain(AcpiInfo& info, std::uint32_t apic_id, std::uint32_t domain) {
  for (std::uint32_t i = 0; i < info.cpu_count; ++i) {
    if (info.cpus[i].apic_id == apic_id) {
      info.cpus[i].domain = domain;
    }
  }
}

void ParseSrat(Bytes table, AcpiInfo& info) {
  ForEachEntry(table, 48, [&](std::uint8_t type, Bytes entry) {
    if (type == 1 && entry.size() >= 40) {
      AddMemory(info, entry);
    } else if (type == 0 && entry.size() >= 16 && (Load<std::uint32_t>(entry, 4) & 1) != 0) {
      SetDomain(info, Load<std::uint8_t>(entry, 3),
                Load<std::uint8_t>(entry, 2) | (Load<std::uint32_t>(entry, 9) & 0xffffff) << 8);
    } else if (type == 2 && entry.size() >= 24 && (Load<std::uint32_t>(entry, 12) & 1) != 0) {
      SetDomain(info, Load<std::uint32_t>(entry, 8), Load<std::uint32_t>(entry, 4));
    }
  });
}

void ParseFadt(Bytes table, AcpiInfo& info) {
  if (table.size() >= 80) {
    info.pm_timer_port = Load<std::uint32_t>(table, 76);
  }
}

}  // namespace

Result<std::uint32_t> ParseAcpi(PhysAddr rsdp, const AcpiReader& reader, AcpiInfo& info) {
  info = {};
  for (std::uint32_t i = 0; i < info.isa_interrupts.size(); ++i) {
    info.isa_interrupts[i] = i;
  }
  const Bytes first = reader.read(reader.context, rsdp, 20);
  if (!HasSignature(first, "RSD PTR ", 8) || first.size() < 20 || !SumsToZero(first.first(20))) {
    return Status::kCorrupt;
  }
  PhysAddr root_address = Load<std::uint32_t>(first, 16);
  std::size_t pointer_size = 4;
  if (Load<std::uint8_t>(first, 15) >= 2) {
    const Bytes second = reader.read(reader.context, rsdp, 36);
    if (second.size() >= 36 && SumsToZero(second.first(36)) &&
        Load<std::uint64_t>(second, 24) != 0) {
      root_address = Load<std::uint64_t>(second, 24);
      pointer_size = 8;
    }
  }
  const Bytes root = ReadTable(root_address, reader);
  if (!HasSignature(root, pointer_size == 8 ? "XSDT" : "RSDT", 4)) {
    return Status::kCorrupt;
  }
  std::size_t count = (root.size() - kHeaderSize) / pointer_size;
  count = count < kMaxTables ? count : kMaxTables;
  // MADT first: SRAT refers to processors by the ids found there.
  for (int pass = 0; pass < 2; ++pass) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t offset = kHeaderSize + i * pointer_size;
      const PhysAddr address =
          pointer_size == 8 ? Load<std::uint64_t>(root, offset) : Load<std::uint32_t>(root, offset);
      const Bytes table = ReadTable(address, reader);
      if (pass == 0 && HasSignature(table, "APIC", 4)) {
        ParseMadt(table, info);
      } else if (pass == 1 && HasSignature(table, "SRAT", 4)) {
        ParseSrat(table, info);
      } else if (pass == 1 && HasSignature(table, "FACP", 4)) {
        ParseFadt(table, info);
      }
    }
  }
  return info.cpu_count;
}

}  // namespace k42::machine
