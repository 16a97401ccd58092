// The native call instruction sequence. See abi/native_call.h for who keeps which register.
#pragma once

#include <cstdint>

#include "abi/native_call.h"
#include "abi/native_result.h"

namespace k42::machine {

inline abi::NativeResult NativeCall(std::uint64_t number, std::uint64_t a = 0, std::uint64_t b = 0,
                                    std::uint64_t c = 0, std::uint64_t d = 0, std::uint64_t e = 0,
                                    std::uint64_t f = 0) {
  register std::uint64_t r10 asm("r10") = d;
  register std::uint64_t r8 asm("r8") = e;
  register std::uint64_t r9 asm("r9") = f;
  asm volatile("syscall"
               : "+a"(number), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8), "+r"(r9)
               :
               : "rcx", "r11", "memory");
  return {static_cast<Status>(number), c};
}

}  // namespace k42::machine
