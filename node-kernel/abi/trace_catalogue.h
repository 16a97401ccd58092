// All events, in one place. To add one: a constant, and its line in kCatalogue. Numbers are part of
// the buffers' format, which the host's tools read: never reuse one.
#pragma once

#include <cstdint>

#include "abi/trace_buffer.h"
#include "abi/trace_event.h"

namespace k42::trace {

using u64 = std::uint64_t;

// -- the buffers themselves: kBlockStart and kFiller are written by EventBuffer --
inline constexpr Event<u64, u64> kBlockStart{Class::kControl, kBlockStartNumber, "block_start",
                                             "event {}, context {}"};
inline constexpr Event<> kFiller{Class::kControl, kFillerNumber, "filler", ""};
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

// -- dispatchers; a process is named by the number of its main task --
inline constexpr Event<u64, u64> kDispatchIn{Class::kSchedule, 48, "dispatch_in",
                                             "process {}, dispatcher {}"};
inline constexpr Event<u64, u64> kDispatchOut{Class::kSchedule, 49, "dispatch_out",
                                              "process {}, state {}"};

inline constexpr Event<u64> kQueueInsert{Class::kSchedule, 58, "queue_insert", "process {}"};
inline constexpr Event<u64, u64> kHandOver{Class::kSchedule, 59, "hand_over",
                                           "from process {} to process {}"};

// -- memory --
inline constexpr Event<u64, u64> kPageFault{Class::kMemory, 64, "page_fault",
                                            "address {x}, error {x}"};
inline constexpr Event<u64, u64> kPageFaultEnd{Class::kMemory, 65, "page_fault_end",
                                               "address {x}, error {}"};
inline constexpr Event<u64> kShootDown{Class::kMemory, 66, "shoot_down", "on CPUs {x}"};

// -- native calls --
inline constexpr Event<u64, u64, u64> kNativeCall{Class::kIpc, 80, "native_call",
                                                  "process {}, handle {}, method {}"};
inline constexpr Event<u64, u64, u64> kNativeReturn{Class::kIpc, 81, "native_return",
                                                    "process {}, error {}, value {x}"};

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

// -- the link --
inline constexpr Event<u64, u64, u64, u64> kLinkSubmit{Class::kLink, 112, "link_submit",
                                                       "operation {x}, kind {}, node {}: {} bytes"};
inline constexpr Event<u64, u64> kLinkDone{Class::kLink, 113, "link_done",
                                           "operation {x}, outcome {}"};
inline constexpr Event<u64, u64, u64, u64> kLinkReceive{Class::kLink, 114, "link_receive",
                                                        "kind {}, channel {}, node {}: {} bytes"};

// -- clustered objects --
inline constexpr Event<u64, u64> kObjectMake{Class::kObject, 128, "object_make",
                                             "object {x}, root {x}"};
inline constexpr Event<u64> kObjectDestroy{Class::kObject, 129, "object_destroy", "object {x}"};
inline constexpr Event<u64, u64> kObjectMiss{Class::kObject, 130, "object_miss",
                                             "object {x}, method {}"};
inline constexpr Event<u64, u64> kObjectSwap{Class::kObject, 131, "object_swap",
                                             "object {x}, phase {}"};

// -- processes --
inline constexpr Event<u64, u64> kProcessMake{Class::kProcess, 144, "process_make",
                                              "process {} by {}"};
inline constexpr Event<u64> kProcessReplace{Class::kProcess, 145, "process_replace", "process {}"};
inline constexpr Event<u64, u64, u64> kProcessExit{Class::kProcess, 146, "process_exit",
                                                   "process {}, kind {}, code {}"};
// The name is in the last two words, eight characters each, the first in the lowest byte.
inline constexpr Event<u64, u64, u64> kProcessName{Class::kProcess, 147, "process_name",
                                                   "process {} is {}"};

// -- what programs record --
inline constexpr Event<u64, u64> kLinuxCall{Class::kUser, 160, "linux_call", "thread {}, call {}"};
inline constexpr Event<u64, u64, u64> kLinuxReturn{Class::kUser, 161, "linux_return",
                                                   "thread {}, call {}, result {x}"};
inline constexpr Event<u64, u64, u64> kUserMark{Class::kUser, 162, "mark", "{} {} {}"};

inline constexpr EventInfo kCatalogue[] = {
    kBlockStart.info,   kFiller.info,         kMaskChanged.info, kThreadSwitch.info,
    kThreadWake.info,   kInterrupt.info,      kMessage.info,     kTimer.info,
    kIdle.info,         kDispatchIn.info,     kDispatchOut.info, kPageFault.info,
    kPageFaultEnd.info, kShootDown.info,      kNativeCall.info,  kNativeReturn.info,
    kCallSend.info,     kCallReceive.info,    kCallExecute.info, kCallReply.info,
    kCallEnd.info,      kLinkSubmit.info,     kLinkDone.info,    kLinkReceive.info,
    kObjectMake.info,   kObjectDestroy.info,  kObjectMiss.info,  kObjectSwap.info,
    kProcessMake.info,  kProcessReplace.info, kProcessExit.info, kProcessName.info,
    kLinuxCall.info,    kLinuxReturn.info,    kUserMark.info,    kQueueInsert.info,
    kHandOver.info,
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
