// Wait tickets: numbers handed to the kernel with an operation that may end later.
//
// Life of a ticket: free -> taken (Take) -> given to the kernel -> fired by it, or cancelled by us.
// Exactly one of fired and cancelled happens; only then may it be released. A fired ticket tells
// its user, in TakeFired, which runs when the personality looks at its events.
//
// Watches of epoll sets hold theirs for as long as they like, and leave kForCalls to the calls that
// wait: for one thing each, or many (poll).
#pragma once

#include <cstdint>

#include "abi/dispatcher_page.h"
#include "abi/native_call.h"

namespace k42::personality {

using abi::kNoTicket;

// As its dispatcher gives it to the kernel.
constexpr std::uint32_t OwnTicket(std::uint32_t ticket) {
  return ticket == kNoTicket ? kNoTicket : ticket % abi::kTicketCount;
}

// Who is told.
class TicketUser {
 public:
  virtual void TicketFired(std::uint32_t ticket) = 0;

 protected:
  TicketUser() = default;
  TicketUser(const TicketUser&) = default;
  TicketUser& operator=(const TicketUser&) = default;
  ~TicketUser() = default;
};

// Of one dispatcher. Numbers are the process's (abi::TicketNumber); the kernel takes them without
// the dispatcher's part where an operation is given one (OwnTicket).
class Tickets {
 public:
  // The number of the first: the dispatcher's index times kTicketCount.
  void SetFirst(std::uint32_t number) { first_ = number; }
  // kNoTicket when all are taken, or there is no memory.
  std::uint32_t Take(TicketUser* user);
  std::uint32_t TakeForWatch(TicketUser* user) {
    return count_ < abi::kTicketCount - kForCalls ? Take(user) : kNoTicket;
  }
  // Precondition: the kernel does not hold it (any more).
  void Release(std::uint32_t ticket);

  // Moves the kernel's fired bits to their users. Returns whether there was any.
  bool TakeFired(abi::DispatcherPage* page);

  // In a forked child: the kernel holds none of the parent's tickets. Every user is told nothing;
  // who keeps tickets armed over time arms again (epoll).
  void Reset();
  // Gives the memory back. Precondition: none is taken, none will be.
  void FreeMemory();

  static constexpr std::uint32_t kForCalls = 1024;

 private:
  static constexpr std::uint32_t kChunk = 1024;
  struct Users {
    TicketUser* user[kChunk];
  };

  // Precondition: it was taken.
  TicketUser*& UserOf(std::uint32_t own) {
    return (own < kChunk ? first_users_ : *further_users_[own / kChunk - 1]).user[own % kChunk];
  }
  bool MakeRoom(std::uint32_t own);
  void ReleaseOwn(std::uint32_t own);

  std::uint32_t count_ = 0;
  std::uint32_t first_ = 0;
  std::uint32_t hint_ = 0;   // the words of taken_ below are full
  std::uint32_t words_ = 0;  // of taken_ that ever held one
  Users* further_users_[abi::kTicketCount / kChunk - 1] = {};
  std::uint64_t taken_[abi::kTicketCount / 64] = {};
  Users first_users_ = {};  // last: of it, too, mostly the beginning is used
};

}  // namespace k42::personality
