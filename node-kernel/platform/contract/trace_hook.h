// What the platform tells the tracer, which lies above it. boot/ sets the hook while one of the
// classes concerned is recorded; unset, an event costs a load and a test.
#pragma once

#include <atomic>
#include <cstdint>

namespace k42::machine {

enum class PlatformEvent : std::uint8_t {
  kThreadSwitch,  // thread ids: from, to
  kThreadWake,    // thread id, CPU
  kInterrupt,     // vector, interrupted rip
  kMessage,       // handler, message
  kTimer,         // callback, ns late
  kIdle,          // ns halted, interrupts so far
};

// Any context; must not block.
using TraceHook = void (*)(PlatformEvent event, std::uint64_t a, std::uint64_t b);

extern constinit std::atomic<TraceHook> trace_hook;

inline void TraceEvent(PlatformEvent event, std::uint64_t a, std::uint64_t b) {
  if (const TraceHook hook = trace_hook.load(std::memory_order_relaxed)) [[unlikely]] {
    hook(event, a, b);
  }
}

}  // namespace k42::machine
