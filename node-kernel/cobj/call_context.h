// CallContext: who calls, as the kernel knows it. Lives on the stack of the call; an object that
// needs something of it later copies that field.
//
// Nothing in it comes from user space. Calls between kernel objects on the kernel's own behalf use
// CallContext::Kernel(), which has every right and no handles.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "cobj/interface_info.h"
#include "cobj/ticket.h"

namespace k42::cobj {

// A process's handles, as far as a call needs them. Implemented by ipc.
class HandleSpace {
 public:
  virtual Result<std::uint32_t> Grant(const ObjectRef& object) = 0;  // a new handle
  virtual Status Resolve(std::uint32_t handle, ObjectRef* object) = 0;
  virtual Status Close(std::uint32_t handle) = 0;

 protected:
  ~HandleSpace() = default;
};

// The tickets of all dispatchers of a process. Implemented by proc.
class TicketSpace {
 public:
  // Of the dispatcher that this abi::TicketNumber names; none: there is no such one.
  virtual Ref<ITicketSink> SinkOf(std::uint32_t number) const = 0;

 protected:
  ~TicketSpace() = default;
};

struct CallContext {
  HandleSpace* handles = nullptr;  // the caller's; valid during the call only
  RefBits process = 0;             // Ref<proc::IProcess> of the caller; 0: the kernel itself
  std::uint64_t process_id = 0;    // its pid, 0: the kernel itself
  Ref<ITicketSink> tickets;        // of the calling dispatcher
  const TicketSpace* ticket_space = nullptr;  // the caller's; valid during the call only
  std::uint32_t rights = kNoRights;           // of the handle used
  std::uint32_t ticket = 0;                   // of a [blocking] method
  std::uint32_t node = 0;                     // the caller's node; 0: this one

  static constexpr CallContext Kernel() {
    CallContext context;
    context.rights = kAllRights;
    return context;
  }
  constexpr bool from_kernel() const { return process == 0 && node == 0; }
  constexpr Status Require(std::uint32_t needed) const {
    return (rights & needed) == needed ? Status::kOk : Status::kPermissionDenied;
  }
  // Of whichever of the caller's dispatchers a ticket is.
  Ref<ITicketSink> SinkOf(std::uint32_t number) const {
    return ticket_space == nullptr ? tickets : ticket_space->SinkOf(number);
  }
};

}  // namespace k42::cobj
