#include <cstring>

#include "abi/dispatcher_page.h"
#include "instructions.h"
#include "machine/vector_state.h"

namespace k42::machine {

namespace {

// The standard format: legacy area, header, then AVX's upper halves.
constexpr std::size_t kControlWord = 0, kMxcsr = 24, kHeader = 512, kHeaderEnd = 576;
constexpr std::uint16_t kInitialControlWord = 0x037f;
constexpr std::uint32_t kInitialMxcsr = 0x1f80;
constexpr std::uint32_t kMxcsrBits = 0xffff;
constexpr std::uint64_t kAvx = 4;
constexpr std::uint32_t kSizeWithAvx = 832;
static_assert(kSizeWithAvx <= abi::kVectorStateSize);

using Image = unsigned char[abi::kVectorStateSize];

}  // namespace

std::uint64_t VectorComponents() {
  std::uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return std::uint64_t{high} << 32 | low;
}

std::uint32_t VectorSize() {
  return (VectorComponents() & kAvx) != 0 ? kSizeWithAvx : kHeaderEnd;
}

void InitVectorState(unsigned char* state) {
  std::memset(state, 0, abi::kVectorStateSize);
  std::memcpy(state + kControlWord, &kInitialControlWord, sizeof(kInitialControlWord));
  std::memcpy(state + kMxcsr, &kInitialMxcsr, sizeof(kInitialMxcsr));
}

void SaveVectorState(unsigned char* state) {
  asm volatile("xsave64 %0" : "+m"(*reinterpret_cast<Image*>(state)) : "a"(~0u), "d"(~0u));
}

void LoadVectorState(const unsigned char* state) {
  asm volatile("xrstor64 %0" ::"m"(*reinterpret_cast<const Image*>(state)), "a"(~0u), "d"(~0u)
               : "memory");
}

void SwitchVectorState(unsigned char* save, const unsigned char* load) {
  asm volatile("xsave64 %0; xrstor64 %1"
               : "+m"(*reinterpret_cast<Image*>(save))
               : "m"(*reinterpret_cast<const Image*>(load)), "a"(~0u), "d"(~0u)
               : "memory");
}

Status SanitizeVectorState(unsigned char* state) {
  std::uint32_t mxcsr;
  std::memcpy(&mxcsr, state + kMxcsr, sizeof(mxcsr));
  if ((mxcsr & ~kMxcsrBits) != 0)
    return Status::kInvalidArgument;
  std::uint64_t present;
  std::memcpy(&present, state + kHeader, sizeof(present));
  present &= VectorComponents();
  std::memset(state + kHeader, 0, kHeaderEnd - kHeader);
  std::memcpy(state + kHeader, &present, sizeof(present));
  return Status::kOk;
}

}  // namespace k42::machine
