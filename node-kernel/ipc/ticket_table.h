// TicketTable: the tickets of one dispatcher, kernel side. User space numbers them; the kernel adds
// a generation to each use (ticket_word.h), so that nothing user space does can make an operation
// end twice or another's end look like its own.
//
// Fire works on any CPU, from thread context, with or without the process's address space loaded:
// results are written through the kernel's alias of the dispatcher's pages. It reaches those, and
// the dispatcher, past the process's object: a grace period of that object's own CPU says nothing
// about firings on others, which are therefore counted (Firing, Retire).
//
// Locking: none; each ticket is its own atomic word. The table lives as long as the node
// (ticket_sink.h) and serves one dispatcher after the other; generations go on counting, so that a
// ticket of an earlier dispatcher fires in vain. Most dispatchers need few tickets: words of the
// numbers beyond the first kChunk are made when one of them is first armed, and stay.
#pragma once

#include <atomic>
#include <cstdint>

#include "abi/dispatcher_page.h"
#include "base/allocator.h"
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
  static constexpr std::uint32_t kIndexBits = 14;
  static_assert(1u << kIndexBits == abi::kTicketCount);
  static_assert(TicketWord::kGenerations == 1u << (32 - kIndexBits));

  TicketTable() = default;
  ~TicketTable();
  TicketTable(const TicketTable&) = delete;
  TicketTable& operator=(const TicketTable&) = delete;
  // The kernel's aliases of the dispatcher's pages; they stay until no firing is inside after
  // Retire. Precondition: no ticket is armed. The allocator is the same each time.
  void Attach(abi::DispatcherPage* page, TicketPages& results, Allocator& allocator) {
    allocator_ = &allocator;
    page_ = page;
    results_ = &results;
  }

  // What a Ticket carries: index and generation. kInvalidArgument: no such ticket; kNoMemory: it
  // has no word, or its result no page.
  Result<std::uint32_t> Arm(std::uint32_t number) {
    if (number >= abi::kTicketCount)
      return Status::kInvalidArgument;
    TRY(results_->Make(number / abi::TicketResults::kPerPage));
    TicketWord* word = Find(number);
    if (word == nullptr) [[unlikely]]
      word = TRY(MakeWord(number));
    for (std::uint32_t end = end_.load(std::memory_order_relaxed); number >= end;) {
      if (end_.compare_exchange_weak(end, number + 1, std::memory_order_relaxed))
        break;
    }
    return TRY(word->Arm()) << kIndexBits | number;
  }

  // Held by who fires, until it is through with the dispatcher.
  class Firing {
   public:
    explicit Firing(TicketTable& table) : table_(table) { table_.firings_.Enter(); }
    ~Firing() { table_.firings_.Leave(); }
    Firing(const Firing&) = delete;
    Firing& operator=(const Firing&) = delete;

   private:
    TicketTable& table_;
  };

  // kOk: result and bit are in user space's pages; the caller, who has a Firing, wakes the
  // dispatcher. kAlreadyCompleted: cancelled or fired before.
  Status Fire(std::uint32_t ticket, Status status, std::uint64_t value);

  // kOk: will not fire. kAlreadyCompleted: its bit is set, or is about to be.
  Status Cancel(std::uint64_t number);
  // All of them, and forgets those that fired: the dispatcher starts anew. No firing is inside any
  // more. Thread context; waits while another CPU is in the middle of one.
  void CancelAll();
  // All of them: the dispatcher has ended, nobody arms one before Attach. True: firings that had
  // begun may be inside still, on other CPUs.
  bool Retire();

 private:
  static constexpr std::uint32_t kChunk = 1024;
  struct Chunk {
    TicketWord words[kChunk];
  };

  // Null: its chunk was never made. Precondition: there is such a number.
  TicketWord* Find(std::uint32_t number) {
    if (number < kChunk)
      return &first_.words[number];
    Chunk* chunk = further_[number / kChunk - 1].load(std::memory_order_acquire);
    return chunk == nullptr ? nullptr : &chunk->words[number % kChunk];
  }
  Result<TicketWord*> MakeWord(std::uint32_t number);

  Allocator* allocator_ = nullptr;
  abi::DispatcherPage* page_ = nullptr;
  TicketPages* results_ = nullptr;
  std::atomic<std::uint32_t> end_{0};  // numbers from here on were never armed
  // Whoever fires writes it, and the ticket's word: of the numbers that are used most in one line.
  alignas(64) FiringCount firings_;
  Chunk first_;
  std::atomic<Chunk*> further_[abi::kTicketCount / kChunk - 1] = {};
};

}  // namespace k42::ipc
