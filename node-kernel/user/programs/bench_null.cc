// What a native call costs, and a Linux system call reflected: figures for
// tests/bench/null_call.py. Under -icount shift=0 a nanosecond is an instruction.
#include "machine/log.h"
#include "user/runtime/runtime.h"

namespace k42::runtime {

namespace {

constexpr std::uint64_t kCalls = 10'000;

std::uint64_t Now() {
  return kNode.MonotonicTime().value();
}

template <typename F>
std::uint64_t Each(F call) {
  call();
  const std::uint64_t begin = Now();
  for (std::uint64_t i = 0; i < kCalls; ++i) call();
  return (Now() - begin) / kCalls;
}

}  // namespace

int Main(std::span<const std::string_view>) {
  machine::Log("null_call {}", Each([] { machine::NullCall(); }));
  machine::Log("object_call {}", Each([] { (void)kNode.MonotonicTime(); }));
  machine::Log("yield_alone {}", Each([] { machine::YieldCpu(); }));
  return 0;
}

}  // namespace k42::runtime
