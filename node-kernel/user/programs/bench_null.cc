// What a native call costs, and a Linux system call reflected: figures for
// tests/bench/null_call.py. Under -icount shift=0 a nanosecond is an instruction.
#include "idl/echo.stub.h"
#include "machine/log.h"
#include "user/runtime/fork.h"
#include "user/runtime/runtime.h"
#include "user/runtime/serve.h"

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

constexpr std::string_view kName = "bench";

// Serves an object whose calls do nothing: what is left is the way there and back.
[[noreturn]] void ServeNothing() {
  static constexpr abi::ServedMethod kMethods[1] = {};
  static const Served served = {[](void*, std::uint32_t, const abi::ServedCall&) {
                                  return abi::NativeResult(Status::kOk, 0);
                                },
                                nullptr};
  if (OpenCalls(4, 0) != Status::kOk ||
      Publish(kName, Export(served, kMethods).ValueOr(0)) != Status::kOk)
    Exit(1);
  ServeForever();
}

void ProtectedCalls() {
  constexpr char kWords[] = "bench_null\0serve";
  constexpr std::uint64_t kPatience = 10'000'000'000;
  if (!SpawnSelf(kWords, sizeof(kWords)).ok())
    return;
  const idl::EchoStub object(FindPublished(kName, kPatience).ValueOr(0));
  if (object.Null() == Status::kOk)
    machine::Log("protected_call {}", Each([&] { (void)object.Null(); }));
}

}  // namespace

int Main(std::span<const std::string_view> words) {
  if (words.size() > 1 && words[1] == "serve")
    ServeNothing();
  machine::Log("null_call {}", Each([] { machine::NullCall(); }));
  machine::Log("object_call {}", Each([] { (void)kNode.MonotonicTime(); }));
  machine::Log("yield_alone {}", Each([] { machine::YieldCpu(); }));
  ProtectedCalls();
  return 0;
}

}  // namespace k42::runtime
