// Ticket: one outstanding operation of some dispatcher, to be fired exactly once, from any CPU.
// An empty ticket (the caller gave abi::kNoTicket) means: do not wait, answer kWouldBlock.
//
// A ticket may outlive its dispatcher: its sink, a clustered object, is never destroyed, and firing
// late is kAlreadyCompleted, which is ignored. Cancelling is the waiting side's business.
#pragma once

#include <cstdint>

#include "base/status.h"
#include "cobj/ref.h"

namespace k42::cobj {

class ITicketSink;

struct Ticket {
  Ref<ITicketSink> sink;
  std::uint32_t number = 0;  // with its generation: TicketSink.Arm

  explicit constexpr operator bool() const { return static_cast<bool>(sink); }
  Status Fire(Status status, std::uint64_t value) const;
};

}  // namespace k42::cobj
