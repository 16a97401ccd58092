#include "backtrace.h"

#include "kernel_tables.h"
#include "machine/kernel_layout.h"
#include "machine/log.h"
#include "machine/phys.h"
#include "pvh.h"

extern "C" const char kernel_begin[], kernel_text_end[], kernel_data_end[];

namespace k42::machine {
namespace {

bool IsKernelText(std::uint64_t address) {
  return (address >= reinterpret_cast<std::uint64_t>(kernel_begin) &&
          address < reinterpret_cast<std::uint64_t>(kernel_text_end)) ||
         (address >= kModuleAreaBase && address < kModuleAreaEnd);
}

bool IsRam(PhysAddr address) {
  for (const PhysRange& range : RamRanges()) {
    if (address >= range.begin && address < range.end) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool CanRead(std::uint64_t address) {
  if (address % 8 != 0) {
    return false;
  }
  if (address >= reinterpret_cast<std::uint64_t>(kernel_begin) &&
      address < reinterpret_cast<std::uint64_t>(kernel_data_end)) {
    return true;
  }
  if (address >= kDirectMapBase && address < kCpuAreaBase) {
    return IsRam(address - kDirectMapBase);
  }
  // Registers of devices may react to being read.
  return address >= kCpuAreaBase && (address < kDeviceAreaBase || address >= kDeviceAreaEnd) &&
         KernelPageEntry(address) != 0;
}

void WalkStack(std::uint64_t rip, std::uint64_t rbp, unsigned most,
               FunctionRef<void(const StackFrame&)> visit) {
  if (rip != 0 && most != 0) {
    visit({rip, FindSymbol(rip), false});
    --most;
  }
  for (; most != 0 && CanRead(rbp) && CanRead(rbp + 8); --most) {
    const auto* record = reinterpret_cast<const std::uint64_t*>(rbp);
    const std::uint64_t return_address = record[1];
    if (!IsKernelText(return_address)) {
      return;
    }
    // The call lies before the address it returns to (which may be the next function's first).
    SymbolAt from = FindSymbol(return_address - 1);
    ++from.offset;
    visit({return_address, from, true});
    if (record[0] <= rbp) {
      return;
    }
    rbp = record[0];
  }
}

void PrintBacktrace(std::uint64_t rip, std::uint64_t rbp, unsigned most) {
  WalkStack(rip, rbp, most, [](const StackFrame& frame) {
    if (frame.is_call) {
      Log("  from {x16} {}+{x}", frame.address, frame.at.name, frame.at.offset);
    } else {
      Log("  at   {x16} {}+{x}", frame.address, frame.at.name, frame.at.offset);
    }
  });
}

}  // namespace k42::machine
