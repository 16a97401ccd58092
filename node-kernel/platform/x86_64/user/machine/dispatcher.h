// What a dispatcher asks about itself (abi::DispatcherCall), as functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/dispatcher_page.h"
#include "abi/native_call.h"
#include "base/result.h"
#include "machine/native_call.h"

namespace k42::machine {

inline abi::NativeResult CallDispatcher(abi::DispatcherCall call, std::uint64_t a = 0,
                                        std::uint64_t b = 0) {
  return NativeCall(abi::NativeNumber(abi::kDispatcherHandle, static_cast<std::uint32_t>(call)), a,
                    b);
}

// The page of the dispatcher that runs this code.
inline abi::DispatcherPage* DispatcherPage() {
  abi::DispatcherPage* page;
  asm("movq %%gs:0, %0" : "=r"(page));
  return page;
}

inline void NullCall() {
  (void)CallDispatcher(abi::DispatcherCall::kNull);
}
// Until an event is pending or the deadline (0: none) has passed.
inline void WaitForEvent(std::uint64_t deadline_ns) {
  (void)CallDispatcher(abi::DispatcherCall::kWait, deadline_ns);
}
inline void YieldCpu() {
  (void)CallDispatcher(abi::DispatcherCall::kYield);
}
inline Status SetEntries(const abi::DispatcherEntries& entries) {
  return CallDispatcher(abi::DispatcherCall::kSetEntries, reinterpret_cast<std::uint64_t>(&entries))
      .status;
}
// A ticket of any dispatcher (abi::TicketNumber). kOk: cancelled. kAlreadyCompleted: its bit is
// set, or will be in a moment: take it.
inline Status CancelTicketOf(std::uint32_t number) {
  return CallDispatcher(abi::DispatcherCall::kCancelTicket, number).status;
}
// One of this dispatcher's.
inline Status CancelTicket(std::uint32_t ticket) {
  return CancelTicketOf(abi::TicketNumber(DispatcherPage()->dispatcher_index, ticket));
}
// A further dispatcher, which starts at that state. Its index.
inline Result<std::uint32_t> AddDispatcher(std::uint32_t cpu, const abi::UserState& state) {
  const abi::NativeResult added = CallDispatcher(abi::DispatcherCall::kAddDispatcher, cpu,
                                                 reinterpret_cast<std::uint64_t>(&state));
  if (added.status != Status::kOk)
    return added.status;
  return static_cast<std::uint32_t>(added.value);
}
// Ends another's wait.
inline Status Notify(std::uint32_t dispatcher) {
  return CallDispatcher(abi::DispatcherCall::kNotify, dispatcher).status;
}
// Returns only if refused: the first dispatcher stays.
inline Status Park() {
  return CallDispatcher(abi::DispatcherCall::kPark).status;
}
inline void SetTimer(std::uint64_t deadline_ns) {
  (void)CallDispatcher(abi::DispatcherCall::kSetTimer, deadline_ns);
}
// Takes protected calls until an event is pending.
inline void ServeCalls() {
  (void)CallDispatcher(abi::DispatcherCall::kServe);
}
inline void LogText(const char* text, std::size_t size) {
  (void)CallDispatcher(abi::DispatcherCall::kLog, reinterpret_cast<std::uint64_t>(text), size);
}
inline Status SetTask(std::uint32_t task) {
  return CallDispatcher(abi::DispatcherCall::kSetTask, task).status;
}

}  // namespace k42::machine
