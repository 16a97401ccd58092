#include "platform/x86_64/shared/acpi.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

namespace k42::machine {
namespace {

// Physical memory [kBase, kBase + size) with tables laid into it.
class Firmware {
 public:
  static constexpr PhysAddr kBase = 0xf0000;

  PhysAddr Append(std::vector<std::uint8_t> bytes) {
    const PhysAddr address = kBase + memory_.size();
    memory_.insert(memory_.end(), bytes.begin(), bytes.end());
    memory_.resize((memory_.size() + 7) / 8 * 8 + 3);  // tables are not aligned
    return address;
  }
  AcpiReader reader() {
    return {[](void* context, PhysAddr address, std::size_t size) -> std::span<const std::byte> {
              auto* self = static_cast<Firmware*>(context);
              const std::size_t have = self->memory_.size();
              if (address < kBase || address - kBase > have || size > have - (address - kBase)) {
                return {};
              }
              return std::as_bytes(std::span(self->memory_).subspan(address - kBase, size));
            },
            this};
  }
  std::vector<std::uint8_t>& memory() { return memory_; }

 private:
  std::vector<std::uint8_t> memory_;
};

class Table {
 public:
  explicit Table(const char* signature) {
    bytes_.assign(36, 0);
    std::memcpy(bytes_.data(), signature, 4);
  }
  template <typename T>
  Table& Put(T value) {
    const auto* raw = reinterpret_cast<const std::uint8_t*>(&value);
    bytes_.insert(bytes_.end(), raw, raw + sizeof(T));
    return *this;
  }
  Table& Zeros(std::size_t count) {
    bytes_.insert(bytes_.end(), count, 0);
    return *this;
  }
  std::vector<std::uint8_t> Finish() {
    const auto size = static_cast<std::uint32_t>(bytes_.size());
    std::memcpy(bytes_.data() + 4, &size, 4);
    FixChecksum(bytes_, 9, bytes_.size());
    return bytes_;
  }
  static void FixChecksum(std::vector<std::uint8_t>& bytes, std::size_t at, std::size_t size) {
    bytes[at] = 0;
    unsigned sum = 0;
    for (std::size_t i = 0; i < size; ++i) {
      sum += bytes[i];
    }
    bytes[at] = static_cast<std::uint8_t>(0 - sum);
  }

 private:
  std::vector<std::uint8_t> bytes_;
};

Table Madt(int cpus) {
  Table madt("APIC");
  madt.Put<std::uint32_t>(0xfee0'0000).Put<std::uint32_t>(1);
  for (int i = 0; i < cpus; ++i) {
    madt.Put<std::uint8_t>(0).Put<std::uint8_t>(8).Put(static_cast<std::uint8_t>(i));
    madt.Put(static_cast<std::uint8_t>(2 * i)).Put<std::uint32_t>(1);
  }
  madt.Put<std::uint8_t>(1).Put<std::uint8_t>(12).Put<std::uint8_t>(7).Put<std::uint8_t>(0);
  madt.Put<std::uint32_t>(0xfec0'0000).Put<std::uint32_t>(0);
  // ISA line 0 arrives at input 2.
  madt.Put<std::uint8_t>(2).Put<std::uint8_t>(10).Put<std::uint8_t>(0).Put<std::uint8_t>(0);
  madt.Put<std::uint32_t>(2).Put<std::uint16_t>(0);
  return madt;
}

Table Srat() {
  Table srat("SRAT");
  srat.Zeros(12);
  for (std::uint32_t domain = 0; domain < 2; ++domain) {
    srat.Put<std::uint8_t>(1).Put<std::uint8_t>(40).Put(domain).Zeros(2);
    srat.Put<std::uint64_t>(domain * 0x1000'0000).Put<std::uint64_t>(0x1000'0000).Zeros(4);
    srat.Put<std::uint32_t>(1).Zeros(8);
  }
  return srat;
}

constexpr std::uint32_t kEnabled = 1;

// Which domain a processor is in, by its APIC id of 8 bits (type 0) or of 32 (type 2).
void PutAffinity(Table& srat, std::uint8_t apic_id, std::uint32_t domain, std::uint32_t flags) {
  srat.Put<std::uint8_t>(0).Put<std::uint8_t>(16).Put(static_cast<std::uint8_t>(domain));
  srat.Put(apic_id).Put(flags).Put<std::uint8_t>(0).Put(static_cast<std::uint8_t>(domain >> 8));
  srat.Put(static_cast<std::uint8_t>(domain >> 16)).Put(static_cast<std::uint8_t>(domain >> 24));
  srat.Zeros(4);
}
void PutWideAffinity(Table& srat, std::uint32_t apic_id, std::uint32_t domain,
                     std::uint32_t flags) {
  srat.Put<std::uint8_t>(2).Put<std::uint8_t>(24).Zeros(2).Put(domain).Put(apic_id).Put(flags);
  srat.Zeros(8);
}

// A root pointer of revision 2: its table's pointers are of 64 bits, and a second sum guards them.
PhysAddr AddWideRoot(Firmware& firmware, const std::vector<PhysAddr>& tables) {
  Table xsdt("XSDT");
  for (PhysAddr table : tables) {
    xsdt.Put<std::uint64_t>(table);
  }
  const std::uint64_t root = firmware.Append(xsdt.Finish());
  std::vector<std::uint8_t> rsdp(36, 0);
  std::memcpy(rsdp.data(), "RSD PTR ", 8);
  rsdp[15] = 2;
  rsdp[20] = 36;
  std::memcpy(rsdp.data() + 24, &root, 8);
  Table::FixChecksum(rsdp, 8, 20);
  Table::FixChecksum(rsdp, 32, 36);
  return firmware.Append(rsdp);
}

PhysAddr AddRoot(Firmware& firmware, const std::vector<PhysAddr>& tables) {
  Table rsdt("RSDT");
  for (PhysAddr table : tables) {
    rsdt.Put(static_cast<std::uint32_t>(table));
  }
  const PhysAddr root = firmware.Append(rsdt.Finish());
  std::vector<std::uint8_t> rsdp(20, 0);
  std::memcpy(rsdp.data(), "RSD PTR ", 8);
  const auto root32 = static_cast<std::uint32_t>(root);
  std::memcpy(rsdp.data() + 16, &root32, 4);
  Table::FixChecksum(rsdp, 8, 20);
  return firmware.Append(rsdp);
}

TEST(Acpi, ProcessorsControllersMemoryTimer) {
  Firmware firmware;
  Table fadt("FACP");
  fadt.Zeros(40).Put<std::uint32_t>(0x608).Zeros(100);
  const PhysAddr rsdp =
      AddRoot(firmware, {firmware.Append(Srat().Finish()), firmware.Append(fadt.Finish()),
                         firmware.Append(Madt(3).Finish())});
  AcpiInfo info;
  const auto cpus = ParseAcpi(rsdp, firmware.reader(), info);
  ASSERT_TRUE(cpus.ok());
  EXPECT_EQ(cpus.value(), 3u);
  EXPECT_EQ(info.cpus[2].apic_id, 4u);
  EXPECT_EQ(info.lapic_address, 0xfee0'0000u);
  ASSERT_EQ(info.io_apic_count, 1u);
  EXPECT_EQ(info.io_apics[0].address, 0xfec0'0000u);
  ASSERT_EQ(info.memory_count, 2u);
  EXPECT_EQ(info.memory[1].begin, 0x1000'0000u);
  EXPECT_EQ(info.memory[1].end, 0x2000'0000u);
  EXPECT_EQ(info.memory[1].domain, 1u);
  EXPECT_EQ(info.pm_timer_port, 0x608u);
  EXPECT_EQ(info.isa_interrupts[4], 4u);
  EXPECT_EQ(info.isa_interrupts[0], 2u);
}

TEST(Acpi, DomainsOfProcessors) {
  Firmware firmware;
  Table srat = Srat();
  PutAffinity(srat, 0, 3, kEnabled);
  PutAffinity(srat, 2, 0x01020304, kEnabled);
  PutAffinity(srat, 4, 9, 0);
  PutWideAffinity(srat, 6, 0x50607, kEnabled);
  PutWideAffinity(srat, 8, 9, 0);
  PutWideAffinity(srat, 77, 9, kEnabled);  // nobody's
  const PhysAddr rsdp =                    // whichever of the two comes first
      AddRoot(firmware, {firmware.Append(srat.Finish()), firmware.Append(Madt(5).Finish())});
  AcpiInfo info;
  ASSERT_EQ(ParseAcpi(rsdp, firmware.reader(), info).ValueOr(0), 5u);
  EXPECT_EQ(info.cpus[0].domain, 3u);
  EXPECT_EQ(info.cpus[1].domain, 0x01020304u);
  EXPECT_EQ(info.cpus[2].domain, 0u);
  EXPECT_EQ(info.cpus[3].domain, 0x50607u);
  EXPECT_EQ(info.cpus[4].domain, 0u);
}

TEST(Acpi, MemoryThatIsNotThere) {
  Firmware firmware;
  Table srat = Srat();
  srat.Put<std::uint8_t>(1).Put<std::uint8_t>(40).Put<std::uint32_t>(7).Zeros(2);
  srat.Put<std::uint64_t>(0x4000'0000).Put<std::uint64_t>(0x1000'0000).Zeros(4);
  srat.Put<std::uint32_t>(0).Zeros(8);
  AcpiInfo info;
  ASSERT_TRUE(
      ParseAcpi(AddRoot(firmware, {firmware.Append(srat.Finish())}), firmware.reader(), info).ok());
  EXPECT_EQ(info.memory_count, 2u);
}

TEST(Acpi, RootOfRevisionTwo) {
  Firmware firmware;
  const std::vector<PhysAddr> tables = {firmware.Append(Srat().Finish()),
                                        firmware.Append(Madt(3).Finish())};
  AcpiInfo info;
  const PhysAddr rsdp = AddWideRoot(firmware, tables);
  EXPECT_EQ(ParseAcpi(rsdp, firmware.reader(), info).ValueOr(0), 3u);
  EXPECT_EQ(info.memory_count, 2u);
  // Its second sum is wrong: there is the old pointer, which leads nowhere.
  firmware.memory()[rsdp - Firmware::kBase + 33] ^= 1;
  EXPECT_EQ(ParseAcpi(rsdp, firmware.reader(), info).status(), Status::kCorrupt);
}

TEST(Acpi, WideProcessorsAndAnotherAddressOfTheirControllers) {
  Firmware firmware;
  Table madt = Madt(2);
  const auto wide = [&](std::uint32_t apic_id, std::uint32_t flags) {
    madt.Put<std::uint8_t>(9).Put<std::uint8_t>(16).Zeros(2).Put(apic_id).Put(flags).Zeros(4);
  };
  wide(2, kEnabled);  // known by its other entry
  wide(40, kEnabled);
  wide(41, 0);
  wide(255, kEnabled);  // cannot be addressed
  madt.Put<std::uint8_t>(5).Put<std::uint8_t>(12).Zeros(2).Put<std::uint64_t>(0x12'fee0'0000);
  // One of 8 bits that is not there.
  madt.Put<std::uint8_t>(0).Put<std::uint8_t>(8).Put<std::uint8_t>(9).Put<std::uint8_t>(50);
  madt.Put<std::uint32_t>(0);
  AcpiInfo info;
  const PhysAddr rsdp = AddRoot(firmware, {firmware.Append(madt.Finish())});
  ASSERT_EQ(ParseAcpi(rsdp, firmware.reader(), info).ValueOr(0), 3u);
  EXPECT_EQ(info.cpus[2].apic_id, 40u);
  EXPECT_EQ(info.cpus_ignored, 1u);
  EXPECT_EQ(info.lapic_address, 0x12'fee0'0000u);
}

TEST(Acpi, MoreProcessorsThanWeTake) {
  Firmware firmware;
  const PhysAddr rsdp = AddRoot(firmware, {firmware.Append(Madt(100).Finish())});
  AcpiInfo info;
  ASSERT_TRUE(ParseAcpi(rsdp, firmware.reader(), info).ok());
  EXPECT_EQ(info.cpu_count, kMaxCpus);
  EXPECT_EQ(info.cpus_ignored, 100 - kMaxCpus);
}

TEST(Acpi, BadChecksumLosesTheTableOnly) {
  Firmware firmware;
  auto madt = Madt(2).Finish();
  madt[40] ^= 1;
  const PhysAddr rsdp =
      AddRoot(firmware, {firmware.Append(madt), firmware.Append(Srat().Finish())});
  AcpiInfo info;
  ASSERT_TRUE(ParseAcpi(rsdp, firmware.reader(), info).ok());
  EXPECT_EQ(info.cpu_count, 0u);
  EXPECT_EQ(info.memory_count, 2u);
}

TEST(Acpi, NoRoot) {
  Firmware firmware;
  AcpiInfo info;
  EXPECT_EQ(ParseAcpi(0, firmware.reader(), info).status(), Status::kCorrupt);
  EXPECT_EQ(ParseAcpi(AddRoot(firmware, {}) + 1, firmware.reader(), info).status(),
            Status::kCorrupt);
}

TEST(Acpi, EntryOfSizeZeroEndsTheTable) {
  Firmware firmware;
  Table madt("APIC");
  madt.Put<std::uint32_t>(0xfee0'0000).Put<std::uint32_t>(1).Zeros(64);
  const PhysAddr rsdp = AddRoot(firmware, {firmware.Append(madt.Finish())});
  AcpiInfo info;
  EXPECT_TRUE(ParseAcpi(rsdp, firmware.reader(), info).ok());
  EXPECT_EQ(info.cpu_count, 0u);
}

// Any bytes: no crash, no hang, no read outside (the sanitizers watch), limits kept.
TEST(Acpi, DamagedTables) {
  std::mt19937 random(42);
  for (int round = 0; round < 20000; ++round) {
    Firmware firmware;
    const PhysAddr rsdp =
        AddRoot(firmware, {firmware.Append(Madt(4).Finish()), firmware.Append(Srat().Finish())});
    auto& memory = firmware.memory();
    for (unsigned hits = 1 + random() % 4; hits > 0; --hits) {
      const std::size_t at = random() % memory.size();
      const auto byte = static_cast<std::uint8_t>(random());
      // Keep the sum, so that the damage gets past the checksum of the table.
      const std::size_t other = at + 1 < memory.size() ? at + 1 : at - 1;
      memory[other] = static_cast<std::uint8_t>(memory[other] + memory[at] - byte);
      memory[at] = byte;
    }
    if (round % 7 == 0) {
      memory.resize(random() % memory.size());
    }
    AcpiInfo info;
    static_cast<void>(ParseAcpi(rsdp, firmware.reader(), info));
    EXPECT_LE(info.cpu_count, kMaxCpus);
    EXPECT_LE(info.memory_count, info.memory.size());
  }
}

}  // namespace
}  // namespace k42::machine
