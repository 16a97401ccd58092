// Recording by a program, into the buffer of its dispatcher: Log(trace::kUserMark, 1, 2, 3). Costs
// a load and a test while the class is off. While it is on, nobody is called but once, for the
// buffer.
#pragma once

#include <atomic>
#include <type_traits>

#include "abi/time_page.h"
#include "abi/trace_catalogue.h"
#include "machine/cycle_count.h"
#include "trace/user_buffer.h"

namespace k42::runtime {

// This dispatcher's buffer, asked for when first wanted. Null: there is none to be had.
trace::UserBuffer* TraceBuffer();

template <typename... Args>
[[gnu::always_inline]] inline void Log(const std::atomic<std::uint32_t>& mask,
                                       const trace::Event<Args...>& event,
                                       std::type_identity_t<Args>... args) {
  if ((mask.load(std::memory_order_relaxed) & MaskOf(event.info.event_class)) != 0) [[unlikely]] {
    if (trace::UserBuffer* buffer = TraceBuffer())
      buffer->Write(
          event.header(), [] { return machine::CycleCount(); },
          static_cast<std::uint64_t>(args)...);
  }
}

template <typename... Args>
[[gnu::always_inline]] inline void Log(const trace::Event<Args...>& event,
                                       std::type_identity_t<Args>... args) {
  Log(abi::OwnTimePage().trace_mask, event, args...);
}

}  // namespace k42::runtime
