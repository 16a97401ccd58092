#include "ipc/ticket_table.h"

#include "machine/thread.h"

namespace k42::ipc {

TicketTable::~TicketTable() {
  for (auto& chunk : further_) {
    if (Chunk* made = chunk.load(std::memory_order_relaxed))
      allocator_->Destroy(made);
  }
}

// Two CPUs may make it at once: one of them is too late.
Result<TicketWord*> TicketTable::MakeWord(std::uint32_t number) {
  Chunk* made = TRY(allocator_->Make<Chunk>());
  Chunk* there = nullptr;
  if (!further_[number / kChunk - 1].compare_exchange_strong(there, made,
                                                             std::memory_order_acq_rel))
    allocator_->Destroy(made);
  return Find(number);
}

Status TicketTable::Fire(std::uint32_t ticket, Status status, std::uint64_t value) {
  const std::uint32_t number = ticket & (abi::kTicketCount - 1);
  const std::uint32_t generation = ticket >> kIndexBits;
  TicketWord* const word = Find(number);
  constexpr std::uint32_t kPerPage = abi::TicketResults::kPerPage;
  const auto write = [&] {
    results_->At(number / kPerPage)[number % kPerPage] = {static_cast<std::int64_t>(status), value};
  };
  const auto tell = [&] {
    page_->tickets_fired[number / 64].fetch_or(std::uint64_t{1} << number % 64,
                                               std::memory_order_release);
  };
  return word != nullptr && word->Fire(generation, write, tell) ? Status::kOk
                                                                : Status::kAlreadyCompleted;
}

Status TicketTable::Cancel(std::uint64_t number) {
  if (number >= abi::kTicketCount)
    return Status::kInvalidArgument;
  TicketWord* const word = Find(static_cast<std::uint32_t>(number));
  return word != nullptr && word->Cancel() ? Status::kOk : Status::kAlreadyCompleted;
}

bool TicketTable::Retire() {
  const std::uint32_t end = end_.load(std::memory_order_relaxed);
  for (std::uint32_t number = 0; number < end; ++number) {
    if (TicketWord* word = Find(number))
      (void)word->Cancel();
  }
  return firings_.any();
}

// One that won before would set its bit for an operation of the next program's.
void TicketTable::CancelAll() {
  while (Retire()) machine::Thread::Yield();
  const std::uint32_t end = end_.load(std::memory_order_relaxed);
  for (std::uint32_t number = 0; number < end; number += 64)
    page_->tickets_fired[number / 64].store(0, std::memory_order_relaxed);
}

}  // namespace k42::ipc
