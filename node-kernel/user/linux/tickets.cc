#include "user/linux/tickets.h"

#include <bit>

#include "user/linux/heap.h"

namespace k42::personality {
namespace {
constexpr std::uint32_t kWords = abi::kTicketCount / 64;
}

std::uint32_t Tickets::Take(TicketUser* user) {
  for (std::uint32_t word = hint_; word < kWords; ++word) {
    if (~taken_[word] != 0) {
      const auto bit = static_cast<std::uint32_t>(std::countr_one(taken_[word]));
      if (!MakeRoom(word * 64)) [[unlikely]] {
        return kNoTicket;
      }
      taken_[word] |= 1ull << bit;
      ++count_;
      hint_ = word;
      words_ = word < words_ ? words_ : word + 1;
      UserOf(word * 64 + bit) = user;
      return first_ + word * 64 + bit;
    }
  }
  return kNoTicket;
}

void Tickets::Release(std::uint32_t ticket) {
  ReleaseOwn(ticket - first_);
}

bool Tickets::MakeRoom(std::uint32_t own) {
  if (own < kChunk || further_users_[own / kChunk - 1]) {
    return true;
  }
  return (further_users_[own / kChunk - 1] = New<Users>()) != nullptr;
}

void Tickets::FreeMemory() {
  for (Users*& users : further_users_) {
    if (users) {
      Delete(users);
      users = nullptr;
    }
  }
}

void Tickets::ReleaseOwn(std::uint32_t ticket) {
  --count_;
  UserOf(ticket) = nullptr;
  taken_[ticket / 64] &= ~(1ull << (ticket % 64));
  hint_ = ticket / 64 < hint_ ? ticket / 64 : hint_;
}

bool Tickets::TakeFired(abi::DispatcherPage* page) {
  bool any = false;
  for (std::uint32_t word = 0; word < words_; ++word) {
    if (page->tickets_fired[word].load(std::memory_order_relaxed) == 0) {
      continue;
    }
    std::uint64_t fired = page->tickets_fired[word].exchange(0, std::memory_order_acquire);
    while (fired) {
      const auto bit = static_cast<std::uint32_t>(std::countr_zero(fired));
      fired &= fired - 1;
      any = true;
      if (TicketUser* user = UserOf(word * 64 + bit)) {
        user->TicketFired(first_ + word * 64 + bit);
      }
    }
  }
  return any;
}

// Touches what is taken only: after a fork each page that is written is one that is copied.
void Tickets::Reset() {
  for (std::uint32_t word = 0; word < words_; ++word) {
    while (taken_[word] != 0) {
      ReleaseOwn(word * 64 + static_cast<std::uint32_t>(std::countr_zero(taken_[word])));
    }
  }
  hint_ = 0;
}

}  // namespace k42::personality
