#include "user/linux/tickets.h"

#include <bit>

namespace k42::personality {
namespace {
constexpr std::uint32_t kWords = abi::kTicketCount / 64;
}

std::uint32_t Tickets::Take(TicketUser* user) {
  for (std::uint32_t i = 0; i < kWords; ++i) {
    const std::uint32_t word = (hint_ + i) % kWords;
    if (~taken_[word] != 0) {
      const auto bit = static_cast<std::uint32_t>(std::countr_one(taken_[word]));
      taken_[word] |= 1ull << bit;
      hint_ = word;
      words_ = word < words_ ? words_ : word + 1;
      users_[word * 64 + bit] = user;
      return first_ + word * 64 + bit;
    }
  }
  return kNoTicket;
}

void Tickets::Release(std::uint32_t ticket) {
  ReleaseOwn(ticket - first_);
}

void Tickets::ReleaseOwn(std::uint32_t ticket) {
  users_[ticket] = nullptr;
  taken_[ticket / 64] &= ~(1ull << (ticket % 64));
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
      if (TicketUser* user = users_[word * 64 + bit]) {
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
