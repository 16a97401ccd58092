#include "cobj/ticket.h"

#include "cobj/ticket.idl.h"

namespace k42::cobj {

Status Ticket::Fire(Status status, std::uint64_t value) const {
  if (!sink)
    return Status::kOk;
  return sink->Fire(number, static_cast<std::int64_t>(status), value);
}

}  // namespace k42::cobj
