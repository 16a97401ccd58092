// The registers of a guest's CPUs, out of the text of QEMU's `info registers -a`.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "cluster-services/support/outcome.h"

namespace k42::dump {

struct CpuRegisters {
  std::uint64_t rax = 0, rbx = 0, rcx = 0, rdx = 0, rsi = 0, rdi = 0, rbp = 0, rsp = 0;
  std::uint64_t r8 = 0, r9 = 0, r10 = 0, r11 = 0, r12 = 0, r13 = 0, r14 = 0, r15 = 0;
  std::uint64_t rip = 0, rflags = 0;
  std::uint16_t cs = 0, ss = 0, ds = 0, es = 0, fs = 0, gs = 0;
  std::uint64_t fs_base = 0, gs_base = 0;
  std::uint64_t cr0 = 0, cr3 = 0, efer = 0;

  // Four levels of page tables are in force; a CPU that nobody has started yet has none.
  bool long_mode() const {
    constexpr std::uint64_t kPaging = 1ull << 31, kLongModeActive = 1 << 10;
    return (cr0 & kPaging) != 0 && (efer & kLongModeActive) != 0;
  }
};

// In order of the CPUs. kCorrupt: not what QEMU 7 and later write.
Outcome<std::vector<CpuRegisters>> ParseRegisters(std::string_view text);

}  // namespace k42::dump
