// Waits of user space name a ticket; the kernel adds a generation to each use. So two waits with
// the same number of the same dispatcher are one after the other, and the earlier one was given up.
#pragma once

#include "abi/dispatcher_page.h"
#include "cobj/ticket.h"
#include "cobj/ticket.idl.h"

namespace k42::proc {

inline bool SameNumber(const cobj::Ticket& a, const cobj::Ticket& b) {
  return a.sink == b.sink && ((a.number ^ b.number) & (abi::kTicketCount - 1)) == 0;
}

}  // namespace k42::proc
