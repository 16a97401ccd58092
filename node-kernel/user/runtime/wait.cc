#include "user/runtime/runtime.h"

namespace k42::runtime {

abi::NativeResult WaitForTicket(std::uint32_t ticket) {
  abi::DispatcherPage* page = machine::DispatcherPage();
  const auto* results = reinterpret_cast<const abi::TicketResults*>(
      reinterpret_cast<std::uint64_t>(page) + abi::kPageSize);
  const std::uint64_t bit = std::uint64_t{1} << ticket % 64;
  for (;;) {
    if ((page->tickets_fired[ticket / 64].fetch_and(~bit, std::memory_order_acquire) & bit) != 0) {
      const auto& entry = results->entry[ticket];
      return {static_cast<Status>(entry.status), entry.value};
    }
    machine::WaitForEvent(0);
    page->pending.store(0, std::memory_order_relaxed);
  }
}

Status Finish(Status status, std::uint32_t ticket) {
  return status == Status::kPending ? WaitForTicket(ticket).status : status;
}

void Sleep(std::uint64_t ns) {
  const std::uint64_t until = kNode.MonotonicTime().ValueOr(0) + ns;
  while (kNode.MonotonicTime().ValueOr(until) < until) {
    machine::WaitForEvent(until);
    machine::DispatcherPage()->pending.store(0);
  }
}

Result<std::uint64_t> ParseNumber(std::string_view digits) {
  std::uint64_t number = 0;
  if (digits.empty() || digits.size() > 18)
    return Status::kInvalidArgument;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9')
      return Status::kInvalidArgument;
    number = number * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  return number;
}

}  // namespace k42::runtime
