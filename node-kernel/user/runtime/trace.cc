#include "user/runtime/trace.h"

#include "machine/dispatcher.h"

namespace k42::runtime {
namespace {

constexpr std::uint64_t kRefused = 1;

}  // namespace

trace::UserBuffer* TraceBuffer() {
  abi::DispatcherPage* page = machine::DispatcherPage();
  if (page->trace_buffer == 0) {
    const abi::NativeResult made = machine::CallDispatcher(abi::DispatcherCall::kTraceBuffer);
    if (made.status != Status::kOk)
      page->trace_buffer = kRefused;
  }
  return page->trace_buffer == kRefused ? nullptr
                                        : reinterpret_cast<trace::UserBuffer*>(page->trace_buffer);
}

}  // namespace k42::runtime
