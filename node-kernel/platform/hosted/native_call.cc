#include "machine/native_call.h"

#include <atomic>

namespace k42::machine {

namespace {
std::atomic<NativeCallHandler> current_handler{nullptr};
}

void SetNativeCallHandler(NativeCallHandler handler) {
  current_handler.store(handler, std::memory_order_release);
}

abi::NativeResult NativeCall(std::uint64_t number, std::uint64_t a, std::uint64_t b,
                             std::uint64_t c, std::uint64_t d, std::uint64_t e, std::uint64_t f) {
  const NativeCallHandler handler = current_handler.load(std::memory_order_acquire);
  if (handler == nullptr)
    return Status::kNotSupported;
  const std::uint64_t words[6] = {a, b, c, d, e, f};
  return handler(number, words);
}

}  // namespace k42::machine
