#include "cobj/dispatch.h"

#include "abi/native_call.h"
#include "cobj/ticket.idl.h"

namespace k42::cobj {

Result<ObjectRef> ResolveObject(const CallContext& caller, std::uint64_t word) {
  if (caller.handles == nullptr)
    return Status::kBadHandle;
  const auto handle = TRY(Narrow<abi::Handle>(word));
  ObjectRef object;
  TRY(caller.handles->Resolve(handle, &object));
  return object;
}

Result<ObjectRef> ResolveOptionalObject(const CallContext& caller, std::uint64_t word) {
  if (word == 0)
    return ObjectRef{};
  return ResolveObject(caller, word);
}

Result<Ticket> TicketOf(const CallContext& caller, std::uint64_t word) {
  const auto number = TRY(Narrow<std::uint32_t>(word));
  if (number == abi::kNoTicket)
    return Ticket{};
  if (!caller.tickets)
    return Status::kNotSupported;  // the caller is no dispatcher
  return Ticket{caller.tickets, TRY(caller.tickets->Arm(number))};
}

NativeResult GrantObject(const CallContext& caller, const ObjectRef& object) {
  if (caller.handles == nullptr)
    return Status::kBadHandle;
  return {Status::kOk, TRY(caller.handles->Grant(object))};
}

Status PutObject(const CallContext& caller, std::uint64_t user, const ObjectRef& object) {
  abi::Handle handle = abi::kDispatcherHandle;  // none
  if (object) {
    const NativeResult granted = GrantObject(caller, object);
    if (granted.status != Status::kOk)
      return granted.status;
    handle = static_cast<abi::Handle>(granted.value);
  }
  const Status copied = machine::CopyOut(user, &handle, sizeof(handle));
  if (copied != Status::kOk && object)
    (void)caller.handles->Close(handle);  // the caller cannot learn of it, so it must not stay
  return copied;
}

}  // namespace k42::cobj
