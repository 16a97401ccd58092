// The privileged instructions, one function each. For platform/x86_64/kernel only.
#pragma once

#include <cstdint>

namespace k42::machine {

inline void OutByte(std::uint16_t port, std::uint8_t value) {
  asm volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}
inline std::uint8_t InByte(std::uint16_t port) {
  std::uint8_t value;
  asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
inline void OutWord(std::uint16_t port, std::uint16_t value) {
  asm volatile("outw %0, %1" ::"a"(value), "Nd"(port));
}
inline void OutLong(std::uint16_t port, std::uint32_t value) {
  asm volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}
inline std::uint32_t InLong(std::uint16_t port) {
  std::uint32_t value;
  asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

inline constexpr std::uint32_t kMsrApicBase = 0x1b;
inline constexpr std::uint32_t kMsrEfer = 0xc000'0080;
inline constexpr std::uint32_t kMsrGsBase = 0xc000'0101;
inline constexpr std::uint32_t kMsrKernelGsBase = 0xc000'0102;

inline std::uint64_t ReadMsr(std::uint32_t msr) {
  std::uint32_t low, high;
  asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
  return std::uint64_t{high} << 32 | low;
}
inline void WriteMsr(std::uint32_t msr, std::uint64_t value) {
  asm volatile("wrmsr" ::"c"(msr), "a"(static_cast<std::uint32_t>(value)),
               "d"(static_cast<std::uint32_t>(value >> 32))
               : "memory");
}

inline std::uint64_t ReadCr0() {
  std::uint64_t value;
  asm volatile("movq %%cr0, %0" : "=r"(value));
  return value;
}
inline void WriteCr0(std::uint64_t value) {
  asm volatile("movq %0, %%cr0" ::"r"(value) : "memory");
}
inline std::uint64_t ReadCr2() {
  std::uint64_t value;
  asm volatile("movq %%cr2, %0" : "=r"(value));
  return value;
}
inline std::uint64_t ReadCr4() {
  std::uint64_t value;
  asm volatile("movq %%cr4, %0" : "=r"(value));
  return value;
}
inline void WriteCr4(std::uint64_t value) {
  asm volatile("movq %0, %%cr4" ::"r"(value) : "memory");
}

struct CpuidResult {
  std::uint32_t eax, ebx, ecx, edx;
};
inline CpuidResult Cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0) {
  CpuidResult r;
  asm volatile("cpuid"
               : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
               : "a"(leaf), "c"(subleaf));
  return r;
}

// sti takes effect after the next instruction: no interrupt can slip in between and be slept over.
inline void EnableInterruptsAndHalt() {
  asm volatile("sti; hlt" ::: "memory");
}
[[noreturn]] inline void HaltForever() {
  for (;;) {
    asm volatile("cli; hlt");
  }
}

}  // namespace k42::machine
