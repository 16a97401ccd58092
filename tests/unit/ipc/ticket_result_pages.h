// Results of tickets in ordinary memory.
#pragma once

#include <memory>

#include "ipc/ticket_table.h"

namespace k42::ipc {

struct TicketResultPages final : TicketPages {
  Status Make(std::uint32_t page) override {
    if (refuse)
      return Status::kNoMemory;
    if (pages[page] == nullptr)
      pages[page] = std::make_unique<abi::TicketResults::Entry[]>(abi::TicketResults::kPerPage);
    return Status::kOk;
  }
  abi::TicketResults::Entry* At(std::uint32_t page) override { return pages[page].get(); }
  const abi::TicketResults::Entry& Of(std::uint32_t number) const {
    return pages[number / abi::TicketResults::kPerPage][number % abi::TicketResults::kPerPage];
  }
  bool refuse = false;
  std::unique_ptr<abi::TicketResults::Entry[]>
      pages[abi::kTicketCount / abi::TicketResults::kPerPage];
};

}  // namespace k42::ipc
