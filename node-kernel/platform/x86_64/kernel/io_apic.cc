#include "io_apic.h"

#include "base/assert.h"
#include "machine/cpu.h"
#include "machine/irq.h"
#include "machine/phys.h"
#include "machine/spin_lock.h"
#include "pvh.h"

namespace k42::machine {
namespace {

// Registers are reached through an index and a data window.
class IoApic {
 public:
  void Start(volatile std::uint32_t* registers, std::uint32_t first) {
    registers_ = registers;
    first_ = first;
    inputs_ = (Read(1) >> 16 & 0xff) + 1;
    for (std::uint32_t input = 0; input < inputs_; ++input) {
      Write(kFirstEntry + 2 * input, kMasked);
    }
  }
  bool Has(std::uint32_t interrupt) const {
    return registers_ != nullptr && interrupt >= first_ && interrupt - first_ < inputs_;
  }
  // Edge, active high: what ISA devices do.
  void Route(std::uint32_t interrupt, IrqVector irq) {
    const std::uint32_t entry = kFirstEntry + 2 * (interrupt - first_);
    Write(entry + 1, AreaOf(irq.cpu)->apic_id << 24);
    Write(entry, irq.vector);
  }

 private:
  static constexpr std::uint32_t kFirstEntry = 0x10;
  static constexpr std::uint32_t kMasked = 1 << 16;
  std::uint32_t Read(std::uint32_t index) {
    registers_[0] = index;
    return registers_[4];
  }
  void Write(std::uint32_t index, std::uint32_t value) {
    registers_[0] = index;
    registers_[4] = value;
  }

  volatile std::uint32_t* registers_ = nullptr;
  std::uint32_t first_ = 0;
  std::uint32_t inputs_ = 0;
};

constinit IoApic io_apics[8];
constinit SpinLock<LockRank::kVector> lock;  // the registers: select, then access

}  // namespace

void StartIoApics() {
  const AcpiInfo& acpi = GetAcpi();
  for (std::uint32_t i = 0; i < acpi.io_apic_count; ++i) {
    const Result<volatile void*> mapped = MapDevice(acpi.io_apics[i].address, kPageSize);
    K42_ASSERT(mapped.ok(), "an IOAPIC must be mapped");
    io_apics[i].Start(static_cast<volatile std::uint32_t*>(mapped.value()),
                      acpi.io_apics[i].first_interrupt);
  }
}

Status RouteLegacyInterrupt(std::uint32_t line, IrqVector irq) {
  if (line >= GetAcpi().isa_interrupts.size()) {
    return Status::kInvalidArgument;
  }
  const std::uint32_t interrupt = GetAcpi().isa_interrupts[line];
  SpinGuard guard(lock);
  for (IoApic& io_apic : io_apics) {
    if (io_apic.Has(interrupt)) {
      io_apic.Route(interrupt, irq);
      return Status::kOk;
    }
  }
  return Status::kNotFound;
}

}  // namespace k42::machine
