// How the seam's native side waits for calls that the kernel answers with kPending.
#pragma once

#include "user/linux/dispatcher.h"
#include "user/linux/kernel.h"
#include "user/linux/monitor.h"

namespace k42::personality::kernel {

inline Status StatusOfCall(Status status) {
  return status;
}
template <typename T>
Status StatusOfCall(const Result<T>& result) {
  return result.status();
}

// Runs call(ticket), outside the monitor; if it went on in the kernel, sleeps until it has ended.
// `interruptible`: a signal cancels it (kCancelled) if it can still be cancelled. The answer is
// status and value.
template <typename Call>
Result<std::uint64_t> Await(Call call, bool interruptible = false) {
  ScopedTicket ticket;
  if (!ticket.valid()) {
    return Status::kNoMemory;
  }
  const auto answer = [&] {
    const Outside outside;
    return call(OwnTicket(ticket.number()));
  }();
  const Status status = StatusOfCall(answer);
  if (status != Status::kPending) {
    if (status != Status::kOk) {
      return status;
    }
    if constexpr (std::is_same_v<std::remove_cv_t<decltype(answer)>, Status>) {
      return std::uint64_t{0};
    } else if constexpr (requires { answer.value().handle(); }) {
      return std::uint64_t{answer.value().handle()};
    } else {
      return static_cast<std::uint64_t>(answer.value());
    }
  }
  ticket.SetArmed();
  if (ticket.Wait(0, interruptible) != Wake::kEvent) {
    return Status::kCancelled;
  }
  return TicketResult(ticket.number());
}

template <typename Call>
Result<Handle> AwaitHandle(Call call) {
  const Result<std::uint64_t> result = Await(call);
  if (!result.ok()) {
    return result.status();
  }
  return static_cast<Handle>(result.value());
}

}  // namespace k42::personality::kernel
