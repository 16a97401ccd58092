// Process: its memory. What user space asks is put into mem's words here, and checked there.
#include <algorithm>

#include "machine/thread.h"
#include "mem/memory_object.dispatch.h"
#include "proc/process.h"

namespace k42::proc {

namespace {

constexpr std::uint32_t kAllProtection = kMapRead | kMapWrite | kMapExecute;
static_assert(kMapRead == mem::kProtectRead && kMapWrite == mem::kProtectWrite &&
              kMapExecute == mem::kProtectExecute);

Result<mem::MapRequest> Translate(const MapRequest& request) {
  const bool shared = (request.flags & kMapShared) != 0;
  if (shared == ((request.flags & kMapPrivate) != 0) || (request.protection & ~kAllProtection) != 0)
    return Status::kInvalidArgument;
  mem::MapRequest map;
  map.address = request.address;
  map.size = request.length;
  map.placement = (request.flags & kMapFixedNoReplace) != 0 ? mem::Placement::kFixedNoReplace
                  : (request.flags & kMapFixed) != 0        ? mem::Placement::kFixed
                                                            : mem::Placement::kAnywhere;
  map.protection = static_cast<mem::Protection>(request.protection);
  map.shared = shared;
  map.no_reserve = (request.flags & kMapNoReserve) != 0;
  map.populate = (request.flags & kMapPopulate) != 0;
  map.personality = (request.flags & kMapPersonality) != 0;
  map.offset = request.offset;
  if ((request.flags & kMapLarge) != 0)
    map.large = mem::LargePages::kPromised;
  return map;
}

// Drops the reference that TakeFcm gave, once the region has its own.
class FcmReference {
 public:
  explicit FcmReference(mem::Fcm* fcm) : fcm_(fcm) {}
  ~FcmReference() {
    if (fcm_ != nullptr)
      fcm_->DropReference();
  }
  FcmReference(const FcmReference&) = delete;
  FcmReference& operator=(const FcmReference&) = delete;

 private:
  mem::Fcm* const fcm_;
};

}  // namespace

Result<std::uint64_t> Process::Map(const MapRequest& request, cobj::ObjectRef object) {
  mem::MapRequest map = TRY(Translate(request));
  if (object) {
    if (!object.info->IsA(mem::kMemoryObjectInfo))
      return Status::kBadHandle;
    if ((object.rights & kRightRead) == 0)
      return Status::kPermissionDenied;
    map.may_write = !map.shared || (object.rights & kRightWrite) != 0;
    if (!map.may_write && (map.protection & mem::kProtectWrite) != 0)
      return Status::kPermissionDenied;
    map.source = TRY(cobj::Ref<mem::IMemoryObject>::FromBits(object.ref)->TakeFcm());
  }
  const FcmReference reference(map.source);
  return space_->Map(map);
}

Status Process::Unmap(std::uint64_t address, std::uint64_t length) {
  return space_->Unmap(address, length);
}

Status Process::Protect(std::uint64_t address, std::uint64_t length, std::uint32_t protection) {
  if ((protection & ~kAllProtection) != 0)
    return Status::kInvalidArgument;
  return space_->Protect(address, length, static_cast<mem::Protection>(protection));
}

Result<std::uint64_t> Process::Remap(std::uint64_t address, std::uint64_t length,
                                     std::uint64_t new_length, std::uint32_t flags,
                                     std::uint64_t new_address) {
  if ((flags & ~(kRemapMayMove | kRemapFixed)) != 0)
    return (flags & kRemapKeepOld) != 0 ? Status::kNotSupported : Status::kInvalidArgument;
  mem::RemapRequest remap;
  remap.address = address;
  remap.size = length;
  remap.new_size = new_length;
  remap.may_move = (flags & kRemapMayMove) != 0;
  remap.fixed = (flags & kRemapFixed) != 0;
  remap.new_address = new_address;
  return space_->Remap(remap);
}

Status Process::Advise(std::uint64_t address, std::uint64_t length, Advice advice) {
  switch (advice) {
    case Advice::kDontNeed:
    case Advice::kFree:
      return space_->Advise(address, length, mem::Advice::kDontNeed);
    case Advice::kWillNeed:
      return space_->Advise(address, length, mem::Advice::kPopulateRead);
    case Advice::kDontFork:
      return space_->Advise(address, length, mem::Advice::kDontFork);
    case Advice::kDoFork:
      return space_->Advise(address, length, mem::Advice::kDoFork);
    case Advice::kWipeOnFork:
      return space_->Advise(address, length, mem::Advice::kWipeOnFork);
    case Advice::kKeepOnFork:
      return space_->Advise(address, length, mem::Advice::kKeepOnFork);
    case Advice::kLargePages:
      return space_->Advise(address, length, mem::Advice::kLargePages);
    case Advice::kSmallPages:
      return space_->Advise(address, length, mem::Advice::kSmallPages);
    case Advice::kNormal:
    case Advice::kRandom:
    case Advice::kSequential:
      return Status::kOk;
  }
  return Status::kInvalidArgument;
}

Status Process::QueryRegion(const cobj::CallContext& caller, std::uint32_t task,
                            std::uint64_t address, RegionInfo& info) {
  Process* other = TRY(HoldOther(caller, task));
  mem::RegionInfo found;
  const Status status = other->space_->QueryRegion(address, found);
  other->Drop();
  TRY(status);
  info = {};
  info.start = found.start;
  info.end = found.end;
  info.offset = found.offset;
  info.object = reinterpret_cast<std::uint64_t>(found.identity.object) >> 6;  // not an address
  info.device = found.identity.device;
  info.node = found.identity.node;
  info.resident = found.resident;
  info.protection = found.protection;
  info.flags =
      (found.shared ? kMapShared : kMapPrivate) | (found.personality ? kMapPersonality : 0);
  return Status::kOk;
}

Status Process::SyncMemory(std::uint64_t address, std::uint64_t length) {
  return space_->Sync(address, length);
}

Status Process::QueryMemory(const cobj::CallContext& caller, std::uint32_t task, MemoryUse& use) {
  Process* other = TRY(HoldOther(caller, task));
  const mem::MemoryUse found = other->space_->Use();
  other->Drop();
  use = {};
  use.mapped = found.mapped;
  use.resident = found.resident;
  use.peak_mapped = found.peak_mapped;
  use.peak_resident = found.peak_resident;
  use.faults = found.faults;
  use.faults_io = found.faults_waited;
  return Status::kOk;
}

namespace {

constexpr std::uint64_t kPiece = 512;  // copied through the kernel stack

}  // namespace

Result<std::uint64_t> Process::ReadMemory(const cobj::CallContext& caller, std::uint32_t task,
                                          std::uint64_t address, BufferOut buffer) {
  Process* other = TRY(HoldOther(caller, task));
  std::uint64_t done = 0;
  Status status = Status::kOk;
  unsigned char piece[kPiece];
  while (done < buffer.size() && status == Status::kOk) {
    const std::uint64_t wanted = std::min(kPiece, buffer.size() - done);
    const auto got = other->space_->CopyFromSpace(piece, address + done, wanted);
    status = got.status();
    if (status == Status::kOk) {
      status = buffer.CopyFrom(piece, done, got.value());
      done += got.value();
      if (got.value() < wanted)
        break;
      machine::Thread::PreemptionPoint();
    }
  }
  other->Drop();
  if (done == 0 && status != Status::kOk)
    return status;
  return done;
}

Result<std::uint64_t> Process::WriteMemory(const cobj::CallContext& caller, std::uint32_t task,
                                           std::uint64_t address, BufferIn data) {
  Process* other = TRY(HoldOther(caller, task));
  std::uint64_t done = 0;
  Status status = Status::kOk;
  unsigned char piece[kPiece];
  while (done < data.size() && status == Status::kOk) {
    const std::uint64_t wanted = std::min(kPiece, data.size() - done);
    status = data.CopyTo(piece, done, wanted);
    if (status != Status::kOk)
      break;
    const auto put = other->space_->CopyToSpace(address + done, piece, wanted);
    status = put.status();
    if (status == Status::kOk) {
      done += put.value();
      if (put.value() < wanted)
        break;
      machine::Thread::PreemptionPoint();
    }
  }
  other->Drop();
  if (done == 0 && status != Status::kOk)
    return status;
  return done;
}

}  // namespace k42::proc
