// Tickets over the host's poll.
#pragma once

#include <cstdint>

#include "abi/native_call.h"

namespace k42::host {

// Handles are file descriptors plus 16, so that none is 0.
inline int FdOf(abi::Handle handle) {
  return static_cast<int>(handle) - 16;
}
void ArmFile(std::uint32_t ticket, int fd, short events);
void ArmChild(std::uint32_t ticket);  // fires when a child changes
void FireTicket(std::uint32_t ticket);
bool DisarmTicket(std::uint32_t ticket);
void ForgetTickets();
// Fires what is ready, waiting at most that long.
void CheckTickets(std::uint64_t timeout_ns, const unsigned long* mask = nullptr);

}  // namespace k42::host
