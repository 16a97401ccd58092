#include "global/object_directory.h"

#include "global/forwarding.h"
#include "global/object_host.wire.h"
#include "global/pause.h"

namespace k42::global {
namespace {

constexpr std::uint64_t kAskAgainNs = 20'000'000;

std::uint64_t Left(std::uint64_t deadline_ns) {
  const std::uint64_t now = machine::MonotonicNs();
  return deadline_ns > now ? deadline_ns - now : 0;
}

LinkPeer HomeOf(GlobalId id) {
  return {id.home(), id.incarnation()};
}

}  // namespace

// -- names ----------------------------------------------------------------------------------------

Status ObjectDirectory::FindBinding(ObjectClass kind, std::string_view name,
                                    std::uint64_t deadline_ns, GlobalId* id,
                                    std::uint64_t* version) {
  const cobj::GlobalClass* type = ObjectClasses::Type(kind);
  if (type == nullptr || !ValidObjectName(name))
    return Status::kInvalidArgument;
  NameBinding found;
  TRY(names_.Lookup(ObjectPath(ObjectClasses::Word(kind), name).text(), deadline_ns, &found));
  Digest digest;
  TRY(ParseObjectBinding(found.text(), id, &digest));
  if (HomeOf(*id) != found.owner)
    return Status::kCorrupt;  // bound by somebody who is not its home
  if (node_.endpoint().HasLeft(HomeOf(*id)))
    return Status::kNotFound;  // the daemon's view is a moment behind ours
  if (digest != *type->digest)
    return Status::kVersionMismatch;
  *version = found.version;
  return Status::kOk;
}

Result<cobj::RefBits> ObjectDirectory::Open(ObjectClass kind, std::string_view name,
                                            std::uint64_t deadline_ns, LinkPeer* home) {
  GlobalId id;
  std::uint64_t version = 0;
  TRY(FindBinding(kind, name, deadline_ns, &id, &version));
  if (home != nullptr)
    *home = HomeOf(id);
  if (HomeOf(id) != node_.endpoint().Self())
    return Import(kind, HomeOf(id), id);
  const machine::SpinGuard guard(lock_);
  const Own* own = FindOwnLocked(kind, name);
  if (own == nullptr || own->id != id)
    return Status::kNotFound;  // removed a moment ago
  return own->bits;
}

Result<cobj::RefBits> ObjectDirectory::OpenOrMake(ObjectClass kind, std::string_view name,
                                                  std::uint64_t parameter,
                                                  std::uint64_t deadline_ns) {
  for (;;) {
    const auto opened = Open(kind, name, deadline_ns);
    if (opened.status() != Status::kNotFound)
      return opened;
    const auto made = Make(kind, name, parameter, deadline_ns);
    if (made.status() != Status::kAlreadyExists)
      return made;
    // Somebody was faster, and our cache does not know yet; or what stands there belongs to a dead
    // node, and goes with its lease.
    if (Left(deadline_ns) == 0)
      return Status::kTimedOut;
    Pause(kAskAgainNs);
  }
}

// -- made here ------------------------------------------------------------------------------------

ObjectDirectory::Own* ObjectDirectory::FindOwnLocked(ObjectClass kind, std::string_view name) {
  for (Own& own : own_) {
    if (own.bits != 0 && own.kind == kind && std::string_view(own.name, own.name_size) == name)
      return &own;
  }
  return nullptr;
}

Result<GlobalId> ObjectDirectory::OwnId(ObjectClass kind, std::string_view name) {
  const machine::SpinGuard guard(lock_);
  const Own* own = FindOwnLocked(kind, name);
  if (own == nullptr)
    return Status::kNotFound;
  return own->id;
}

Result<GlobalId> ObjectDirectory::MakeOwn(ObjectClass kind, std::string_view name,
                                          std::uint64_t parameter) {
  const LinkPeer self = node_.endpoint().Self();
  if (self.incarnation == 0)
    return Status::kUnavailable;  // no member yet
  const cobj::RefBits bits = TRY(classes_.Make(kind, parameter));
  const auto id = node_.exports().Export(self, bits, *ObjectClasses::Type(kind));
  Status status = id.status();
  if (status == Status::kOk) {
    const machine::SpinGuard guard(lock_);
    Own* place = nullptr;
    for (Own& own : own_) {
      if (own.bits == 0)
        place = &own;
    }
    // Two at once may both have made one.
    status = FindOwnLocked(kind, name) != nullptr ? Status::kAlreadyExists
             : place == nullptr                   ? Status::kLimitExceeded
                                                  : Status::kOk;
    if (status == Status::kOk) {
      place->id = id.value();
      place->bits = bits;
      place->kind = kind;
      place->name_size = name.copy(place->name, sizeof place->name);
      return id.value();
    }
  }
  if (id.ok())
    (void)node_.exports().Withdraw(id.value());
  (void)cobj::node_objects->Destroy(bits);
  return status;
}

void ObjectDirectory::DropOwn(GlobalId id) {
  cobj::RefBits bits = 0;
  {
    const machine::SpinGuard guard(lock_);
    for (Own& own : own_) {
      if (own.bits != 0 && own.id == id)
        bits = std::exchange(own.bits, 0);
    }
  }
  if (bits == 0)
    return;
  (void)node_.exports().Withdraw(id);
  (void)cobj::node_objects->Destroy(bits);
}

Result<cobj::RefBits> ObjectDirectory::Make(ObjectClass kind, std::string_view name,
                                            std::uint64_t parameter, std::uint64_t deadline_ns) {
  const cobj::GlobalClass* type = ObjectClasses::Type(kind);
  if (type == nullptr || !ValidObjectName(name))
    return Status::kInvalidArgument;
  GlobalId bound;
  std::uint64_t version = 0;
  const Status found = FindBinding(kind, name, deadline_ns, &bound, &version);
  if (found != Status::kNotFound)
    return found == Status::kOk ? Status::kAlreadyExists : found;
  auto own = OwnId(kind, name);
  if (!own.ok())
    own = MakeOwn(kind, name, parameter);
  const GlobalId id = TRY(own);
  const ObjectPath path(ObjectClasses::Word(kind), name);
  const ObjectBinding binding(id, *type->digest);
  const Status status = names_.Bind(path.text(), binding.text(), 0, deadline_ns).status();
  if (status == Status::kAlreadyExists) {
    // Perhaps by our own first try, whose answer was lost.
    const Status now = FindBinding(kind, name, deadline_ns, &bound, &version);
    if (now == Status::kOk && bound == id)
      return Open(kind, name, deadline_ns);
    // Only another's binding proves that ours is not one. Else, and with every other answer (a
    // repetition may have been refused after the first try was carried out), the object stays for
    // the next try.
    if (now == Status::kOk)
      DropOwn(id);
    return Status::kAlreadyExists;
  }
  if (status != Status::kOk)
    return status;
  const machine::SpinGuard guard(lock_);
  const Own* mine = FindOwnLocked(kind, name);
  if (mine == nullptr)
    return Status::kNotFound;
  return mine->bits;
}

// -- made elsewhere -------------------------------------------------------------------------------

Result<cobj::RefBits> ObjectDirectory::Import(ObjectClass kind, LinkPeer home, GlobalId id) {
  {
    const machine::SpinGuard guard(lock_);
    for (const Object& known : imported_) {
      if (known.bits != 0 && known.id == id)
        return known.bits;
    }
  }
  const cobj::RefBits made = TRY(ObjectClasses::Import(node_, kind, home, id));
  cobj::RefBits first = 0, evicted = 0;
  {
    const machine::SpinGuard guard(lock_);
    Object* place = nullptr;
    for (Object& known : imported_) {
      if (known.bits != 0 && known.id == id)
        first = known.bits;
      if (place == nullptr && known.bits == 0)
        place = &known;
    }
    // A full table: whose home is gone makes room.
    for (std::uint32_t i = 0; i < kMaxImported && place == nullptr && first == 0; ++i) {
      Object& victim = imported_[next_victim_];
      next_victim_ = (next_victim_ + 1) % kMaxImported;
      if (node_.endpoint().HasLeft(HomeOf(victim.id))) {
        evicted = victim.bits;
        place = &victim;
      }
    }
    if (first == 0 && place != nullptr) {
      place->id = id;
      place->bits = made;
      first = made;
    }
  }
  if (evicted != 0)
    (void)cobj::node_objects->Destroy(evicted);
  if (first != made)
    (void)cobj::node_objects->Destroy(made);
  if (first == 0)
    return Status::kLimitExceeded;
  return first;
}

// -- at the home, wherever that is ----------------------------------------------------------------

template <typename Here, typename There>
auto ObjectDirectory::AtHome(ObjectClass kind, std::string_view name, std::uint64_t deadline_ns,
                             Here here, There there) -> decltype(here()) {
  GlobalId id;
  std::uint64_t version = 0;
  TRY(FindBinding(kind, name, deadline_ns, &id, &version));
  if (HomeOf(id) == node_.endpoint().Self())
    return here();
  const auto host = TRY(ImportGlobal<RemoteObjectHost>(
      node_, HomeOf(id), WellKnownId(HomeOf(id), WellKnown::kObjectHost), Left(deadline_ns)));
  const auto result = there(host, BufferIn::Kernel(name.data(), name.size()));
  (void)cobj::Destroy(host);
  return result;
}

Result<std::uint64_t> ObjectDirectory::Swap(ObjectClass kind, std::string_view name,
                                            std::uint64_t deadline_ns) {
  return AtHome(
      kind, name, deadline_ns, [&] { return SwapHere(kind, name, deadline_ns); },
      [&](auto host, BufferIn text) { return host->Swap(kind, text); });
}

Status ObjectDirectory::Remove(ObjectClass kind, std::string_view name, std::uint64_t deadline_ns) {
  return AtHome(
      kind, name, deadline_ns, [&] { return RemoveHere(kind, name, deadline_ns); },
      [&](auto host, BufferIn text) { return host->Remove(kind, text); });
}

Result<std::uint64_t> ObjectDirectory::SwapHere(ObjectClass kind, std::string_view name,
                                                std::uint64_t deadline_ns) {
  TRY(OwnId(kind, name));
  return classes_.NextVersion(kind, deadline_ns);
}

Status ObjectDirectory::RemoveHere(ObjectClass kind, std::string_view name,
                                   std::uint64_t deadline_ns) {
  const GlobalId id = TRY(OwnId(kind, name));
  GlobalId bound;
  std::uint64_t version = 0;
  const Status found = FindBinding(kind, name, deadline_ns, &bound, &version);
  if (found == Status::kOk && bound == id)
    TRY(names_.Unbind(ObjectPath(ObjectClasses::Word(kind), name).text(), version, deadline_ns));
  else if (found != Status::kOk && found != Status::kNotFound)
    return found;
  DropOwn(id);
  return Status::kOk;
}

}  // namespace k42::global
