// What a native program is made of: Main, and what the runtime found out before it.
//
// A native program runs *disabled* all its life: no upcall interrupts it, the kernel stops and
// continues it in place. It registers no entries, so any trap ends it. Waiting is WaitForTicket.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "abi/process_start.h"
#include "base/result.h"
#include "global/cluster_objects.stub.h"
#include "machine/dispatcher.h"
#include "proc/node.stub.h"
#include "proc/process.stub.h"

namespace k42::runtime {

// Written by the program. Its answer is the exit code.
extern "C++" int Main(std::span<const std::string_view> words);

inline constexpr proc::ProcessStub kProcess{abi::kProcessHandle};
inline constexpr proc::NodeStub kNode{abi::kNodeHandle};
inline constexpr global::ClusterObjectsStub kCluster{abi::kClusterHandle};

const abi::ProcessStart& Start();
std::span<const abi::Handle> InheritedHandles();

// Waits until `ticket` has fired; its result.
abi::NativeResult WaitForTicket(std::uint32_t ticket);
// The call's result, waited for if it is pending.
Status Finish(Status status, std::uint32_t ticket);
template <typename T>
Result<T> Finish(Result<T> result, std::uint32_t ticket) {
  if (result.status() != Status::kPending)
    return result;
  const abi::NativeResult ended = WaitForTicket(ticket);
  if (ended.status != Status::kOk)
    return ended.status;
  if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>)
    return static_cast<T>(ended.value);
  else
    return T(static_cast<abi::Handle>(ended.value));  // a stub
}
// Waits that long.
void Sleep(std::uint64_t ns);
// A decimal number; kInvalidArgument if it is none.
Result<std::uint64_t> ParseNumber(std::string_view digits);

[[noreturn]] void Exit(std::uint32_t code);

}  // namespace k42::runtime
