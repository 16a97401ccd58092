#include "ipc/ticket_table.h"

namespace k42::ipc {

Status TicketTable::Fire(std::uint32_t ticket, Status status, std::uint64_t value) {
  const std::uint32_t number = ticket & (abi::kTicketCount - 1);
  const std::uint32_t generation = ticket >> kIndexBits;
  if (!words_[number].BeginFire(generation))
    return Status::kAlreadyCompleted;
  constexpr std::uint32_t kPerPage = abi::TicketResults::kPerPage;
  results_->At(number / kPerPage)[number % kPerPage] = {static_cast<std::int64_t>(status), value};
  page_->tickets_fired[number / 64].fetch_or(std::uint64_t{1} << number % 64,
                                             std::memory_order_release);
  words_[number].EndFire(generation);
  return Status::kOk;
}

Status TicketTable::Cancel(std::uint64_t number) {
  if (number >= abi::kTicketCount)
    return Status::kInvalidArgument;
  return words_[number].Cancel() ? Status::kOk : Status::kAlreadyCompleted;
}

void TicketTable::Retire() {
  const std::uint32_t end = end_.load(std::memory_order_relaxed);
  for (std::uint32_t number = 0; number < end; ++number) (void)words_[number].Cancel();
}

void TicketTable::CancelAll() {
  Retire();
  for (auto& fired : page_->tickets_fired) fired.store(0, std::memory_order_relaxed);
}

}  // namespace k42::ipc
