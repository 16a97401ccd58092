#include "user/linux/vector_state.h"

#include <cstring>

#include "user/linux/dispatcher.h"

namespace k42::personality {
namespace {

// Offsets of the XSAVE format.
constexpr std::size_t kControlWord = 0, kStatusWord = 2, kMxcsr = 24, kHeader = 512,
                      kHeaderSize = 64;
constexpr std::uint32_t kMxcsrBits = 0xffff;
constexpr std::uint32_t kMxcsrInitial = 0x1f80;
constexpr std::uint16_t kControlWordInitial = 0x37f;

void Save(unsigned char* to) {
  asm volatile("xsave64 %0"
               : "+m"(*reinterpret_cast<unsigned char(*)[abi::kVectorStateSize]>(to))
               : "a"(kVectorComponents), "d"(0));
}

void Restore(const unsigned char* from) {
  asm volatile("xrstor64 %0"
               :
               : "m"(*reinterpret_cast<const unsigned char(*)[abi::kVectorStateSize]>(from)),
                 "a"(kVectorComponents), "d"(0)
               : "memory");
}

}  // namespace

std::uint32_t VectorStateBytes() {
  static std::uint32_t bytes;
  if (bytes == 0) {
    std::uint32_t low = 0, high = 0;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    bytes = low & 4 ? 832 : 576;
  }
  return bytes;
}

void StoreVectorState(Thread* thread) {
  if (Here().vector_owner == thread) {
    std::memset(thread->vector + kHeader, 0, kHeaderSize);
    Save(thread->vector);
    thread->vector_saved = true;
  }
}

void LoadVectorState(Thread* thread) {
  Dispatcher& here = Here();
  if (here.vector_owner == thread) {
    return;
  }
  if (here.vector_owner) {
    StoreVectorState(here.vector_owner);
  }
  Restore(thread->vector);
  here.vector_owner = thread;
}

void VectorStateChanged(Thread* thread) {
  if (Here().vector_owner == thread) {
    Here().vector_owner = nullptr;
  }
  thread->vector_saved = true;
}

void InitialVectorState(Thread* thread) {
  // With an empty header nothing behind it counts; the part before it is what unwinders may look
  // at.
  std::memset(thread->vector, 0, kHeader + kHeaderSize);
  std::memcpy(thread->vector + kControlWord, &kControlWordInitial, sizeof(kControlWordInitial));
  std::memcpy(thread->vector + kMxcsr, &kMxcsrInitial, sizeof(kMxcsrInitial));
  VectorStateChanged(thread);
}

std::int32_t FloatingPointCode(Thread* thread, bool simd) {
  constexpr std::uint32_t kInvalid = 1, kDenormal = 2, kDivide = 4, kOverflow = 8, kUnderflow = 16,
                          kInexact = 32;
  StoreVectorState(thread);
  std::uint32_t raised = 0;  // and not masked
  if (simd) {
    std::uint32_t mxcsr = 0;
    std::memcpy(&mxcsr, thread->vector + kMxcsr, sizeof(mxcsr));
    raised = mxcsr & ~(mxcsr >> 7);
  } else {
    std::uint16_t control = 0, status = 0;
    std::memcpy(&control, thread->vector + kControlWord, sizeof(control));
    std::memcpy(&status, thread->vector + kStatusWord, sizeof(status));
    raised = status & ~std::uint32_t{control};
  }
  return raised & kInvalid                   ? kFpeInvalid
         : raised & kDivide                  ? kFpeDivide
         : raised & kOverflow                ? kFpeOverflow
         : raised & (kDenormal | kUnderflow) ? kFpeUnderflow
         : raised & kInexact                 ? kFpeInexact
                                             : kSiKernel;
}

bool SanitizeVectorState(unsigned char* state) {
  std::uint32_t mxcsr = 0;
  std::memcpy(&mxcsr, state + kMxcsr, sizeof(mxcsr));
  if (mxcsr & ~kMxcsrBits) {
    return false;
  }
  std::uint64_t header[8];
  std::memcpy(header, state + kHeader, sizeof(header));
  header[0] &= VectorStateBytes() > 576 ? 7u : 3u;
  for (std::size_t i = 1; i < 8; ++i) {
    header[i] = 0;
  }
  std::memcpy(state + kHeader, header, sizeof(header));
  return true;
}

}  // namespace k42::personality
