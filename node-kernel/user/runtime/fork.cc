#include "user/runtime/fork.h"

#include "user/runtime/runtime.h"

extern "C" [[gnu::returns_twice]] int SaveState(k42::abi::UserState* state);

namespace k42::runtime {
namespace {

// Signals mean nothing to a program of this runtime: no reason not to have a child.
template <typename Make>
Result<std::uint32_t> Insist(Make make) {
  for (;;) {
    const Result<std::uint32_t> child = make();
    if (child.status() != Status::kCancelled)
      return child;
  }
}

}  // namespace

Result<std::uint32_t> Fork(std::uint32_t exit_signal) {
  abi::UserState state = {};  // the child has its own copy of this stack
  if (SaveState(&state) == 1)
    return 0u;
  proc::ForkRequest request = {};
  request.state = reinterpret_cast<std::uint64_t>(&state);
  request.exit_signal = exit_signal;
  return Insist([&] { return kProcess.ForkCopy(request); });
}

Result<std::uint32_t> SpawnSelf(const char* words, std::size_t size) {
  return Insist([&] { return kProcess.Spawn({}, words, size, nullptr, 0); });
}

}  // namespace k42::runtime
