#include "cpu_features.h"

#include <cstddef>

#include "instructions.h"
#include "machine/log.h"

namespace k42::machine {
namespace {

constexpr std::uint64_t kCr4Pge = 1 << 7;
constexpr std::uint64_t kCr4Osfxsr = 1 << 9;
constexpr std::uint64_t kCr4Osxmmexcpt = 1 << 10;
constexpr std::uint64_t kCr4Fsgsbase = 1 << 16;
constexpr std::uint64_t kCr4Osxsave = 1 << 18;
constexpr std::uint64_t kCr4Smep = 1 << 20;
constexpr std::uint64_t kCr4Smap = 1 << 21;
constexpr std::uint64_t kEferSyscall = 1 << 0;
constexpr std::uint64_t kEferNoExecute = 1 << 11;

struct Feature {
  const char* name;
  std::uint32_t leaf;
  std::uint32_t CpuidResult::*word;
  unsigned bit;
};
constexpr Feature kRequired[] = {
    {"tsc", 1, &CpuidResult::edx, 4},
    {"apic", 1, &CpuidResult::edx, 9},
    {"pge", 1, &CpuidResult::edx, 13},
    {"xsave", 1, &CpuidResult::ecx, 26},
    {"cx16", 1, &CpuidResult::ecx, 13},
    {"fsgsbase", 7, &CpuidResult::ebx, 0},
    {"smep", 7, &CpuidResult::ebx, 7},
    {"smap", 7, &CpuidResult::ebx, 20},
    {"syscall", 0x8000'0001, &CpuidResult::edx, 11},
    {"nx", 0x8000'0001, &CpuidResult::edx, 20},
};

bool Has(const Feature& feature) {
  return Cpuid(feature.leaf & 0x8000'0000).eax >= feature.leaf &&
         (Cpuid(feature.leaf).*feature.word >> feature.bit & 1) != 0;
}

}  // namespace

void RequireCpuFeatures() {
  char missing[128];
  std::size_t size = 0;
  for (const Feature& feature : kRequired) {
    if (!Has(feature)) {
      size += Format(std::span(missing).subspan(size), " {}", feature.name);
    }
  }
  if (size != 0) {
    Panic("this CPU lacks:{} (QEMU: -cpu max, or -cpu host with KVM)",
          std::string_view(missing, size));
  }
}

void EnableCpuFeatures() {
  WriteCr4(ReadCr4() | kCr4Pge | kCr4Osfxsr | kCr4Osxmmexcpt | kCr4Fsgsbase | kCr4Osxsave |
           kCr4Smep | kCr4Smap);
  WriteMsr(kMsrEfer, ReadMsr(kMsrEfer) | kEferSyscall | kEferNoExecute);
  // XCR0: x87, SSE, and AVX where there is one; what user states can hold (abi/dispatcher_page.h).
  const bool has_avx = (Cpuid(1).ecx >> 28 & 1) != 0;
  asm volatile("xsetbv" ::"c"(0), "a"(has_avx ? 7 : 3), "d"(0));
}

}  // namespace k42::machine
