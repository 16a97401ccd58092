#include "user/runtime/serve.h"

#include "machine/dispatcher.h"
#include "user/runtime/runtime.h"

extern "C" {
extern const char call_entry[];
std::uint64_t call_stacks;  // call_entry.S
}

namespace k42::runtime {

namespace {
constexpr std::uint64_t kStackSize = 16 << 10;  // call_entry.S
}

Status OpenCalls(std::uint32_t slots, std::uint32_t bulk) {
  proc::MapRequest request = {};
  request.length = slots * kStackSize;
  request.protection = proc::kMapRead | proc::kMapWrite;
  request.flags = proc::kMapPrivate;
  call_stacks = TRY(kProcess.Map(request, 0));
  abi::DispatcherEntries entries = {};
  entries.call_entry = reinterpret_cast<std::uint64_t>(call_entry);
  TRY(machine::SetEntries(entries));
  return kExporter.OpenCalls(slots, bulk).status();
}

Result<abi::Handle> Export(const Served& served, std::span<const abi::ServedMethod> methods,
                           std::uint32_t rights) {
  proc::ExportRequest request = {};
  request.cookie = reinterpret_cast<std::uint64_t>(&served);
  request.rights = rights;
  return kExporter.Export(request, methods.data(), methods.size_bytes());
}

Status Publish(std::string_view name, abi::Handle what) {
  return kExporter.Publish(name.data(), name.size(), what);
}

Result<abi::Handle> FindPublished(std::string_view name, std::uint64_t wait_ns) {
  constexpr std::uint64_t kPause = 1'000'000;
  const std::uint64_t until = kNode.MonotonicTime().ValueOr(0) + wait_ns;
  for (;;) {
    const auto found = kExporter.Find(name.data(), name.size());
    if (found.status() != Status::kNotFound || kNode.MonotonicTime().ValueOr(until) >= until)
      return found;
    Sleep(kPause);
  }
}

void Serve() {
  machine::ServeCalls();
  machine::DispatcherPage()->pending.store(0, std::memory_order_relaxed);
}

void ServeForever() {
  for (;;) Serve();
}

}  // namespace k42::runtime
