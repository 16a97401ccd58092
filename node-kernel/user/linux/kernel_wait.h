// How the seam's native side waits for calls that the kernel answers with kPending.
#pragma once

#include <cstddef>
#include <type_traits>

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

template <typename Answer>
Result<std::uint64_t> ValueOf(const Answer& answer) {
  if (const Status status = StatusOfCall(answer); status != Status::kOk) {
    return status;
  }
  if constexpr (std::is_same_v<Answer, Status>) {
    return std::uint64_t{0};
  } else if constexpr (requires { answer.value().handle(); }) {
    return std::uint64_t{answer.value().handle()};
  } else {
    return static_cast<std::uint64_t>(answer.value());
  }
}

// Runs call(ticket), outside the monitor, without a ticket: kWouldBlock where it had to wait.
template <typename Call>
Result<std::uint64_t> AtOnce(Call call) {
  const Outside outside;
  return ValueOf(call(abi::kNoTicket));
}

// Runs call(ticket), outside the monitor; where it goes on in the kernel, sleeps until it has
// ended. The answer is status and value. Hardly any call has to wait, so it is asked without a
// ticket first. A signal cancels it (kCancelled) if it can still be cancelled and there is a
// give_up(ticket), which tells whom it waits for.
template <typename Call, typename GiveUp = std::nullptr_t>
Result<std::uint64_t> Await(Call call, GiveUp give_up = nullptr) {
  constexpr bool kInterruptible = !std::is_same_v<GiveUp, std::nullptr_t>;
  ScopedTicket ticket(kLater);
  for (;;) {
    const Result<std::uint64_t> answer = [&] {
      const Outside outside;
      return ValueOf(call(OwnTicket(ticket.number())));
    }();
    if (answer.status() == Status::kWouldBlock && !ticket.valid()) {
      if (!ticket.Take()) {
        return Status::kNoMemory;
      }
      continue;
    }
    if (answer.status() != Status::kPending) {
      return answer;
    }
    ticket.SetArmed();
    if (ticket.Wait(0, kInterruptible) != Wake::kEvent) {
      if constexpr (kInterruptible) {
        give_up(ticket.number());
      }
      return Status::kCancelled;
    }
    return TicketResult(ticket.number());
  }
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
