// What the generated dispatch functions (foo.dispatch.h) are made of: from hostile argument words
// to checked values, and from results to handles and user memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "base/narrow.h"
#include "base/result.h"
#include "cobj/call_context.h"
#include "cobj/interface_info.h"

namespace k42::cobj {

using k42::Narrow;

template <typename B>
constexpr Result<B> UserBuffer(std::uint64_t address, std::uint64_t size, std::size_t limit) {
  if (size > limit)
    return Status::kMessageTooLong;
  return B::User(address, size);
}

template <typename T>
Status GetValue(T& value, std::uint64_t user) {
  return machine::CopyIn(&value, user, sizeof(T));
}
template <typename T>
Status PutValue(std::uint64_t user, const T& value) {
  return machine::CopyOut(user, &value, sizeof(T));
}

// -- objects at the user boundary -----------------------------------------------------------------
Result<ObjectRef> ResolveObject(const CallContext& caller, std::uint64_t word);
Result<ObjectRef> ResolveOptionalObject(const CallContext& caller, std::uint64_t word);
Result<Ticket> TicketOf(const CallContext& caller, std::uint64_t word);
Status PutObject(const CallContext& caller, std::uint64_t user, const ObjectRef& object);
NativeResult GrantObject(const CallContext& caller, const ObjectRef& object);

template <typename I>
Result<Ref<I>> Resolve(const CallContext& caller, std::uint64_t word, const InterfaceInfo& wanted) {
  const ObjectRef object = TRY(ResolveObject(caller, word));
  if (!object.info->IsA(wanted))
    return Status::kBadHandle;
  return Ref<I>::FromBits(object.ref);
}
template <typename I>
Result<Ref<I>> ResolveOptional(const CallContext& caller, std::uint64_t word,
                               const InterfaceInfo& wanted) {
  if (word == 0)
    return Ref<I>();
  return Resolve<I>(caller, word, wanted);
}
// An empty reference becomes handle 0: none.
template <typename I>
NativeResult GrantHandle(const CallContext& caller, const Granted<I>& granted,
                         const InterfaceInfo& info) {
  if (!granted.ref)
    return {Status::kOk, 0};
  return GrantObject(caller, {granted.ref.bits(), granted.rights, &info});
}
template <typename I>
Status PutHandle(const CallContext& caller, std::uint64_t user, const Granted<I>& granted,
                 const InterfaceInfo& info) {
  if (!granted.ref)
    return PutObject(caller, user, {});
  return PutObject(caller, user, {granted.ref.bits(), granted.rights, &info});
}

}  // namespace k42::cobj
