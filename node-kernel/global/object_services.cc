#include "global/object_services.h"

#include "cobj/may_block.h"
#include "machine/clock.h"

namespace k42::global {
namespace {

constexpr std::uint64_t kOpenBudgetNs = 5'000'000'000;
constexpr std::uint64_t kHostBudgetNs = 10'000'000'000;

struct Name {
  Status Take(BufferIn from) {
    if (from.size() > sizeof bytes)
      return Status::kNameTooLong;
    size = from.size();
    return from.CopyTo(bytes, 0, size);
  }
  std::string_view text() const { return {bytes, size}; }
  char bytes[kObjectNameMax];
  std::size_t size = 0;
};

}  // namespace

Result<std::uint64_t> ObjectHost::Swap(ObjectClass kind, BufferIn name) {
  Name copy;
  TRY(copy.Take(name));
  return directory_.SwapHere(kind, copy.text(), machine::MonotonicNs() + kHostBudgetNs);
}

Status ObjectHost::Remove(ObjectClass kind, BufferIn name) {
  Name copy;
  TRY(copy.Take(name));
  return directory_.RemoveHere(kind, copy.text(), machine::MonotonicNs() + kHostBudgetNs);
}

Result<cobj::RefBits> ClusterObjects::Open(ObjectClass kind, BufferIn name, std::uint32_t flags,
                                           std::uint64_t parameter) {
  if ((flags & ~kOpenMake) != 0)
    return Status::kInvalidArgument;
  TRY(cobj::MayBlock());
  Name copy;
  TRY(copy.Take(name));
  const std::uint64_t deadline = machine::MonotonicNs() + kOpenBudgetNs;
  if ((flags & kOpenMake) == 0)
    return directory_.Open(kind, copy.text(), deadline);
  return directory_.OpenOrMake(kind, copy.text(), parameter, deadline);
}

Result<cobj::Granted<IClusterCounter>> ClusterObjects::OpenCounter(const cobj::CallContext&,
                                                                   BufferIn name,
                                                                   std::uint32_t flags) {
  return cobj::Granted(
      cobj::Ref<IClusterCounter>::FromBits(TRY(Open(ObjectClass::kCounter, name, flags, 0))));
}

Result<cobj::Granted<IClusterBarrier>> ClusterObjects::OpenBarrier(const cobj::CallContext&,
                                                                   BufferIn name,
                                                                   std::uint32_t flags,
                                                                   std::uint32_t parties) {
  return cobj::Granted(
      cobj::Ref<IClusterBarrier>::FromBits(TRY(Open(ObjectClass::kBarrier, name, flags, parties))));
}

}  // namespace k42::global
