// Native calls in a hosted test: handed to whoever registered, who plays the kernel's entry.
#pragma once

#include <cstdint>

#include "abi/native_result.h"

namespace k42::machine {

using NativeCallHandler = abi::NativeResult (*)(std::uint64_t number, const std::uint64_t words[6]);

// For all threads of the test program. Null: calls answer kNotSupported.
void SetNativeCallHandler(NativeCallHandler handler);

abi::NativeResult NativeCall(std::uint64_t number, std::uint64_t a = 0, std::uint64_t b = 0,
                             std::uint64_t c = 0, std::uint64_t d = 0, std::uint64_t e = 0,
                             std::uint64_t f = 0);

}  // namespace k42::machine
