// Serving objects from a native program (abi/served_call.h). Each call runs on the stack of its
// slot, to its end, on the caller's time; while it makes calls itself, others are served. Implement
// the generated class (foo.serve.h), export it, then Serve:
//
//   Counter counter;                                       // a fs::CounterServer
//   Served served = {&fs::ServeCounter, static_cast<fs::CounterServer*>(&counter)};
//   TRY(OpenCalls(8, 4096));
//   TRY(Publish("counter", TRY(Export(served, fs::kCounterServed))));
//   ServeForever();
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "abi/native_result.h"
#include "abi/served_call.h"
#include "base/rights.h"
#include "proc/exporter.stub.h"

namespace k42::runtime {

inline constexpr proc::ExporterStub kExporter{abi::kExporterHandle};

// What a cookie points at; call_entry.S knows it.
struct Served {
  abi::NativeResult (*serve)(void* object, std::uint32_t method, const abi::ServedCall& call);
  void* object;  // the generated class, as the generated function expects it
};
static_assert(sizeof(Served) == 16);

// So many calls at a time, each with so many bytes for what is passed by address.
Status OpenCalls(std::uint32_t slots, std::uint32_t bulk);
// `served` stays while the object has handles.
Result<abi::Handle> Export(const Served& served, std::span<const abi::ServedMethod> methods,
                           std::uint32_t rights = kAllRights);
Status Publish(std::string_view name, abi::Handle what);
// Waits until there is such a name, at most that long. kNotFound.
Result<abi::Handle> FindPublished(std::string_view name, std::uint64_t wait_ns);

// Until an event is pending.
void Serve();
[[noreturn]] void ServeForever();

}  // namespace k42::runtime
