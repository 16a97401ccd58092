#include "proc/exporter.h"

#include <algorithm>
#include <iterator>

#include "cobj/hold.h"
#include "cobj/make.h"
#include "ipc/exported.dispatch.h"
#include "ipc/exported_object.h"
#include "proc/map_at.h"
#include "proc/process.h"

namespace k42::proc {

using cobj::ObjectRef;
using machine::SpinGuard;

namespace {

// Is it an object whose server has ended?
bool HasEnded(const ObjectRef& object) {
  if (object.info != &ipc::kExportedInfo)
    return false;
  const auto target = cobj::Ref<ipc::IExported>::FromBits(object.ref)->Target();
  return !target.ok() || target.value()->table->closed();
}

}  // namespace

Result<std::uint64_t> Exporter::OpenCalls(std::uint32_t slots, std::uint32_t bulk) {
  ProcessDispatcher* caller = ProcessDispatcher::Current();
  if (caller == nullptr)
    return Status::kNotSupported;
  if (slots == 0 || slots > kCallSlotsMax || bulk > kCallBulkMax || bulk % abi::kPageSize != 0)
    return Status::kInvalidArgument;
  if (caller->calls().table() != nullptr)
    return Status::kAlreadyExists;
  const std::uint64_t address = abi::kCallBulkBase + (caller->user_page() - abi::kDispatcherBase) /
                                                         abi::kDispatcherStride *
                                                         abi::kCallBulkStride;
  mem::FcmPinned* pages = nullptr;
  if (bulk != 0) {
    pages = TRY(mem::FcmPinned::Create(services_.memory, slots * (bulk / abi::kPageSize)));
    const Status mapped =
        MapAt(caller->process().space(), address, pages->size(),
              mem::kProtectRead | mem::kProtectWrite, pages, 0, true, mem::ForkPolicy::kOmit);
    if (mapped != Status::kOk) {
      pages->DropReference();
      return mapped;
    }
  }
  const std::uint64_t size = pages == nullptr ? 0 : pages->size();
  const auto table =
      ipc::CallTable::Create(services_.allocator, caller->scheduled(), slots, pages, address);
  Status status = table.status();
  if (status == Status::kOk) {
    status = caller->calls().Open(table.value());
    if (status != Status::kOk)
      table.value()->Drop();
  }
  if (status != Status::kOk && size != 0)
    (void)caller->process().space().Unmap(address, size);
  TRY(status);
  return address;
}

Result<abi::Handle> Exporter::Export(const cobj::CallContext& caller, const ExportRequest& request,
                                     BufferIn methods) {
  ProcessDispatcher* dispatcher = ProcessDispatcher::Current();
  ipc::CallTable* table = dispatcher == nullptr ? nullptr : dispatcher->calls().table();
  if (table == nullptr)
    return Status::kNotSupported;
  if (methods.size() == 0 || methods.size() % sizeof(abi::ServedMethod) != 0 ||
      methods.size() / sizeof(abi::ServedMethod) > abi::kMaxMethods ||
      (request.rights & ~kAllRights) != 0 || request.reserved != 0)
    return Status::kInvalidArgument;
  // Large for a stack.
  auto* target = TRY(services_.allocator.Make<ipc::ExportTarget>());
  const auto made = [&]() -> Result<cobj::Ref<ipc::IExported>> {
    target->table = table;
    target->cookie = request.cookie;
    target->method_count = static_cast<std::uint32_t>(methods.size() / sizeof(abi::ServedMethod));
    TRY(methods.CopyTo(target->method, 0, methods.size()));
    for (std::uint32_t i = 0; i < target->method_count; ++i) {
      TRY(ipc::CheckShape(target->method[i]));
      target->long_methods |= std::uint64_t{ipc::IsPlain(target->method[i]) ? 0u : 1u} << i;
    }
    ipc::ReleasedObject* note = TRY(table->NewObject(request.cookie));
    target->object = note;
    const auto object = cobj::MakeShared<ipc::ExportedObject>(*target, note);
    if (!object.ok())
      table->Released(note);  // the server hears of it as of any other
    return object;
  }();
  services_.allocator.Destroy(target);
  if (!made.ok())
    return made.status();
  return caller.handles->Grant({made.value().bits(), request.rights, &ipc::kExportedInfo});
}

Result<std::uint64_t> Exporter::TakeReleased() {
  ProcessDispatcher* caller = ProcessDispatcher::Current();
  ipc::CallTable* table = caller == nullptr ? nullptr : caller->calls().table();
  return table == nullptr ? Result<std::uint64_t>(Status::kNotFound) : table->TakeReleased();
}

Status Exporter::GetCaller(std::uint64_t number, Credential& credential) {
  ProcessDispatcher* caller = ProcessDispatcher::Current();
  const ipc::Call* call = caller == nullptr ? nullptr : caller->calls().serving();
  if (call == nullptr || call->number != number)
    return Status::kNotFound;
  // Of a caller that has gone, the number may be another's by now.
  if (call->word.state() != ipc::CallWord::kRunning || (!call->remote && call->caller == nullptr))
    return Status::kNotFound;
  return services_.tasks.GetCredential(static_cast<std::uint32_t>(call->note.identity), 0,
                                       &credential);
}

Status Exporter::Send(const cobj::CallContext& caller, abi::Handle handle,
                      const MessageWords& message, cobj::Ticket retry) {
  ObjectRef object;
  TRY(caller.handles->Resolve(handle, &object));
  if (object.info != &ipc::kExportedInfo)
    return Status::kBadHandle;
  if ((object.rights & kRightSignal) == 0)
    return Status::kPermissionDenied;
  ProcessDispatcher* sender = ProcessDispatcher::Current();
  if (sender == nullptr)
    return Status::kNotSupported;
  const ipc::ExportTarget* target = TRY(cobj::Ref<ipc::IExported>::FromBits(object.ref)->Target());
  ipc::Message copy;
  copy.cookie = target->cookie;
  copy.identity = std::uint64_t{sender->process().main_task()} << 32 | sender->task();
  std::copy(std::begin(message.word), std::end(message.word), copy.words);
  return target->table->Send(copy, retry);
}

Status Exporter::TakeMessage(ReceivedMessage& message) {
  ProcessDispatcher* caller = ProcessDispatcher::Current();
  ipc::CallTable* table = caller == nullptr ? nullptr : caller->calls().table();
  if (table == nullptr)
    return Status::kNotFound;
  ipc::Message taken;
  TRY(table->TakeMessage(&taken));
  message.cookie = taken.cookie;
  message.identity = taken.identity;
  std::copy(std::begin(taken.words), std::end(taken.words), message.word);
  return Status::kOk;
}

Result<Exporter::Name> Exporter::NameFrom(BufferIn name) {
  Name copy = {};
  if (name.size() == 0 || name.size() > copy.size())
    return Status::kInvalidArgument;
  TRY(name.CopyTo(copy.data(), 0, name.size()));
  return copy;
}

Exporter::Published* Exporter::Search(const Name& name, std::uint32_t begin, std::uint32_t end) {
  for (; begin < end; ++begin) {
    if (names_[begin].name == name)
      return &names_[begin];
  }
  return nullptr;
}

ObjectRef Exporter::ObjectOf(const Published& published) {
  const SpinGuard guard(lock_);
  return published.object;
}

Status Exporter::Add(const Name& name, const ObjectRef& object, Published** place) {
  for (std::uint32_t seen = 0, count = 0;; seen = count) {
    count = count_.load(std::memory_order_acquire);
    *place = Search(name, seen, count);
    if (*place != nullptr)
      return Status::kAlreadyExists;
    if (count == kNames)
      return Status::kLimitExceeded;
    const SpinGuard guard(lock_);
    if (count_.load(std::memory_order_relaxed) == count) {  // else another was quicker: which name?
      names_[count] = {name, object};
      count_.store(count + 1, std::memory_order_release);
      return Status::kOk;
    }
  }
}

Status Exporter::Publish(const cobj::CallContext& caller, BufferIn name, abi::Handle what) {
  const Name key = TRY(NameFrom(name));
  ObjectRef object;
  TRY(caller.handles->Resolve(what, &object));
  if ((object.rights & kRightGrant) == 0)
    return Status::kPermissionDenied;
  TRY(cobj::Hold(object));
  Published* place = nullptr;
  Status status = Add(key, object, &place);
  ObjectRef former;
  if (status == Status::kAlreadyExists) {
    // The lock is not held over calls of objects: first whom the name belongs to.
    former = ObjectOf(*place);
    if (HasEnded(former)) {
      const SpinGuard guard(lock_);
      if (place->object.ref == former.ref) {  // else another was quicker
        place->object = object;
        status = Status::kOk;
      }
    }
  }
  if (status != Status::kOk)
    cobj::Release(object);
  else if (former)
    cobj::Release(former);
  return status;
}

Result<abi::Handle> Exporter::Find(const cobj::CallContext& caller, BufferIn name) {
  const Name key = TRY(NameFrom(name));
  const Published* there = Search(key, 0, count_.load(std::memory_order_acquire));
  if (there == nullptr)
    return Status::kNotFound;
  const ObjectRef object = ObjectOf(*there);
  if (HasEnded(object))
    return Status::kNotFound;
  return caller.handles->Grant(object);
}

}  // namespace k42::proc
