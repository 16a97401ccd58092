// TicketTable: the tickets of one dispatcher, kernel side. User space numbers them; the kernel adds
// a generation to each use (ticket_word.h), so that nothing user space does can make an operation
// end twice or another's end look like its own.
//
// Fire works on any CPU, from thread context, with or without the process's address space loaded:
// results are written through the kernel's alias of the dispatcher's pages.
//
// Locking: none; each ticket is its own atomic word. The table lives as long as the node
// (ticket_sink.h) and serves one dispatcher after the other; generations go on counting, so that a
// ticket of an earlier dispatcher fires in vain.
#pragma once

#include <atomic>
#include <cstdint>

#include "abi/dispatcher_page.h"
#include "base/result.h"
#include "ipc/ticket_word.h"

namespace k42::ipc {

// Where results go: pages of a dispatcher, each made when a ticket of it is first armed.
class TicketPages {
 public:
  virtual Status Make(std::uint32_t page) = 0;
  // The kernel's alias of a page that was made.
  virtual abi::TicketResults::Entry* At(std::uint32_t page) = 0;

 protected:
  ~TicketPages() = default;
};

class TicketTable {
 public:
  static constexpr std::uint32_t kIndexBits = 12;
  static_assert(1u << kIndexBits == abi::kTicketCount);

  TicketTable() = default;
  // The kernel's aliases of the dispatcher's pages; they stay until a grace period after Retire.
  // Precondition: no ticket is armed.
  void Attach(abi::DispatcherPage* page, TicketPages& results) {
    page_ = page;
    results_ = &results;
  }

  // What a Ticket carries: index and generation. kInvalidArgument: no such ticket; kNoMemory: its
  // result has no page.
  Result<std::uint32_t> Arm(std::uint32_t number) {
    if (number >= abi::kTicketCount)
      return Status::kInvalidArgument;
    TRY(results_->Make(number / abi::TicketResults::kPerPage));
    for (std::uint32_t end = end_.load(std::memory_order_relaxed); number >= end;) {
      if (end_.compare_exchange_weak(end, number + 1, std::memory_order_relaxed))
        break;
    }
    return TRY(words_[number].Arm()) << kIndexBits | number;
  }

  // kOk: result and bit are in user space's pages; the caller wakes the dispatcher.
  // kAlreadyCompleted: cancelled or fired before.
  Status Fire(std::uint32_t ticket, Status status, std::uint64_t value);

  // kOk: will not fire. kAlreadyCompleted: its bit is set, or is about to be.
  Status Cancel(std::uint64_t number);
  // All of them, and forgets those that fired: the dispatcher starts anew.
  void CancelAll();
  // All of them: the dispatcher has ended, nobody arms one before Attach.
  void Retire();

 private:
  abi::DispatcherPage* page_ = nullptr;
  TicketPages* results_ = nullptr;
  std::atomic<std::uint32_t> end_{0};  // numbers from here on were never armed
  TicketWord words_[abi::kTicketCount];
};

}  // namespace k42::ipc
