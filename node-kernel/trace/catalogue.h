// All events, in one place. To add one: a constant, and its line in kCatalogue. Numbers are part of
// the buffers' format, which the host's tools read: never reuse one.
#pragma once

#include <cstdint>

#include "trace/event.h"

namespace k42::trace {

using u64 = std::uint64_t;

// -- the buffers themselves: written by EventBuffer, not by Log --
inline constexpr Event<u64, u64> kBlockStart{Class::kControl, 0, "block_start",
                                             "at {} ns, block {}"};
inline constexpr Event<> kFiller{Class::kControl, 1, "filler", ""};
inline constexpr Event<u64> kMaskChanged{Class::kControl, 2, "mask_changed", "now {x}"};

// -- threads --
inline constexpr Event<u64, u64> kThreadSwitch{Class::kThread, 16, "thread_switch",
                                               "from {} to {}"};
inline constexpr Event<u64, u64> kThreadWake{Class::kThread, 17, "thread_wake",
                                             "thread {} on CPU {}"};

// -- interrupts --
inline constexpr Event<u64, u64> kInterrupt{Class::kInterrupt, 32, "interrupt", "vector {} at {x}"};
inline constexpr Event<u64, u64> kMessage{Class::kInterrupt, 33, "message", "handler {x} of {x}"};
inline constexpr Event<u64, u64> kTimer{Class::kInterrupt, 34, "timer", "callback {x}, {} ns late"};
inline constexpr Event<u64, u64> kIdle{Class::kInterrupt, 35, "idle",
                                       "{} ns, {} interrupts in all"};

// -- memory --
inline constexpr Event<u64, u64> kPageFault{Class::kMemory, 64, "page_fault",
                                            "address {x}, error {x}"};

// -- calls between nodes; a call is known by its caller's node, CPU and sequence --
inline constexpr Event<u64, u64, u64> kCallSend{Class::kGlobal, 96, "call_send",
                                                "call {} to node {}, method {}"};
inline constexpr Event<u64, u64, u64, u64> kCallReceive{Class::kGlobal, 97, "call_receive",
                                                        "call {} of node {}, CPU {}, method {}"};
inline constexpr Event<u64, u64, u64> kCallExecute{Class::kGlobal, 98, "call_execute",
                                                   "call {} of node {}, CPU {}"};
inline constexpr Event<u64, u64, u64, u64> kCallReply{Class::kGlobal, 99, "call_reply",
                                                      "call {} of node {}, CPU {}: {} bytes"};
inline constexpr Event<u64, u64, u64> kCallEnd{Class::kGlobal, 100, "call_end",
                                               "call {} to node {}: error {}"};

inline constexpr EventInfo kCatalogue[] = {
    kBlockStart.info, kFiller.info,      kMaskChanged.info, kThreadSwitch.info, kThreadWake.info,
    kInterrupt.info,  kMessage.info,     kTimer.info,       kIdle.info,         kPageFault.info,
    kCallSend.info,   kCallReceive.info, kCallExecute.info, kCallReply.info,    kCallEnd.info,
};

// Null for a number that this catalogue does not have.
constexpr const EventInfo* FindEvent(std::uint32_t number) {
  for (const EventInfo& info : kCatalogue) {
    if (info.number == number) {
      return &info;
    }
  }
  return nullptr;
}

namespace detail {
consteval bool NumbersAreUnique() {
  for (const EventInfo& a : kCatalogue) {
    for (const EventInfo& b : kCatalogue) {
      if (&a != &b && a.number == b.number) {
        return false;
      }
    }
  }
  return true;
}
}  // namespace detail
static_assert(detail::NumbersAreUnique());

}  // namespace k42::trace
