#include "io/socket_services.h"

#include <cstring>

#include "machine/thread.h"
#include "mem/heap.h"

namespace k42::io {
namespace {

std::string_view NameOf(const SocketAddress& address) {
  return {reinterpret_cast<const char*>(address.name), address.name_size};
}
bool IsPath(const SocketAddress& address) {
  return address.name_size != 0 && address.name[0] != 0;
}

}  // namespace

SocketServices::~SocketServices() {
  for (IntrusiveList<Entry>& entries : entries_) {
    while (Entry* entry = entries.PopFront()) {
      mem::Delete(entry);
    }
  }
}

IntrusiveList<SocketServices::Entry>& SocketServices::EntriesOf(const SocketAddress& address) {
  std::uint32_t hash = address.port;
  if (address.family == SocketFamily::kLocal) {
    for (const char each : NameOf(address)) {
      hash = hash * 31 + static_cast<std::uint8_t>(each);
    }
  }
  return entries_[hash % kLists];
}

// Whether an entry is what a caller of `address` reaches.
bool SocketServices::Same(const Entry& entry, SocketType type, const SocketAddress& address) {
  if (entry.type != type || entry.address.family != address.family) {
    return false;
  }
  if (address.family == SocketFamily::kLocal) {
    return NameOf(entry.address) == NameOf(address);
  }
  return entry.address.port == address.port &&
         (entry.address.internet == address.internet || entry.address.internet == kInternetAny ||
          address.internet == kInternetAny);
}

// An address with others who want that, too. Of streams one only listens on it.
bool SocketServices::Shares(const Endpoint& endpoint) {
  return endpoint.option(SocketOption::kReusePort) != 0 ||
         (endpoint.type() == SocketType::kDatagram &&
          endpoint.option(SocketOption::kReuseAddress) != 0);
}

bool SocketServices::TakenLocked(const Endpoint& endpoint, const SocketAddress& address) {
  const bool reuse = Shares(endpoint);
  for (const Entry& entry : EntriesOf(address)) {
    if (Same(entry, endpoint.type(), address) && !(reuse && entry.reuse)) {
      return true;
    }
  }
  return false;
}

Status SocketServices::BindNumber(Endpoint& endpoint, SocketAddress address) {
  auto name = RefPtr<SocketName>::Adopt(TRY(SocketName::Make()));
  Entry* entry = TRY(mem::New<Entry>());
  entry->type = endpoint.type();
  entry->reuse = Shares(endpoint);
  entry->name = name;
  bool taken = false;
  {
    machine::MutexGuard guard(lock_);
    const bool choose = address.family == SocketFamily::kInternet && address.port == 0;
    std::uint32_t tries = choose ? kLastEphemeral - kFirstEphemeral + 1 : 1;
    do {
      if (choose) {
        address.port = next_port_;
        next_port_ = next_port_ == kLastEphemeral ? kFirstEphemeral
                                                  : static_cast<std::uint16_t>(next_port_ + 1);
        machine::Thread::PreemptionPoint();
      }
      taken = TakenLocked(endpoint, address);
    } while (taken && --tries != 0);
    if (!taken) {
      entry->address = address;
      EntriesOf(address).PushFront(entry);
    }
  }
  if (taken) {
    mem::Delete(entry);
    return Status::kAddressInUse;
  }
  endpoint.SetAddress(address);
  endpoint.SetName(std::move(name));
  return Status::kOk;
}

Status SocketServices::Bind(const cobj::CallContext& caller, Endpoint& endpoint,
                            cobj::Ref<fs::IOpenFile> directory, SocketAddress address,
                            std::uint32_t mode) {
  if (address.family != endpoint.family() || address.name_size > kLocalNameMax) {
    return Status::kInvalidArgument;
  }
  if (endpoint.bound()) {
    return Status::kInvalidArgument;
  }
  if (address.family == SocketFamily::kInternet) {
    return IsHere(address.internet) ? BindNumber(endpoint, address) : Status::kAddressUnavailable;
  }
  if (!IsPath(address)) {
    if (address.name_size == 0) {  // a name of the system's choice: five digits
      static constinit std::atomic<std::uint32_t> next{1};
      std::uint32_t number = next.fetch_add(1, std::memory_order_relaxed);
      address.name_size = 6;
      address.name[0] = 0;
      for (std::uint32_t i = 5; i > 0; --i, number >>= 4) {
        address.name[i] = static_cast<std::uint8_t>("0123456789abcdef"[number & 15]);
      }
    }
    return BindNumber(endpoint, address);
  }
  const auto made = names_.Make(caller, directory, NameOf(address), mode);
  if (made.status() == Status::kAlreadyExists) {
    return Status::kAddressInUse;
  }
  auto name = RefPtr<SocketName>::Adopt(TRY(made));
  endpoint.SetAddress(address);
  endpoint.SetName(std::move(name));
  return Status::kOk;
}

Result<Endpoint*> SocketServices::Find(const cobj::CallContext& caller, SocketType type,
                                       cobj::Ref<fs::IOpenFile> directory,
                                       const SocketAddress& address) {
  if (address.name_size > kLocalNameMax) {
    return Status::kInvalidArgument;
  }
  RefPtr<SocketName> name;
  if (address.family == SocketFamily::kLocal && IsPath(address)) {
    name = RefPtr<SocketName>::Adopt(TRY(names_.Find(caller, directory, NameOf(address))));
  } else {
    machine::MutexGuard guard(lock_);
    for (const Entry& entry : EntriesOf(address)) {
      if (Same(entry, type, address)) {
        name = entry.name;
        break;
      }
    }
  }
  return Behind(std::move(name), type);
}

Result<Endpoint*> SocketServices::FindReceiver(const SocketAddress& to, const SocketAddress& from) {
  RefPtr<SocketName> name;
  {
    machine::MutexGuard guard(lock_);
    for (const Entry& entry : EntriesOf(to)) {
      if (!Same(entry, SocketType::kDatagram, to)) {
        continue;
      }
      if (!entry.connected && !name) {
        name = entry.name;
      }
      if (entry.connected && entry.peer_port == from.port &&
          (entry.peer_internet == from.internet || from.internet == kInternetAny)) {
        name = entry.name;
        break;
      }
    }
  }
  return Behind(std::move(name), SocketType::kDatagram);
}

void SocketServices::NoteConnected(const SocketName& name, const SocketAddress& address,
                                   const SocketAddress& peer) {
  machine::MutexGuard guard(lock_);
  for (Entry& entry : EntriesOf(address)) {
    if (entry.name.get() == &name) {
      entry.connected = peer.family != SocketFamily::kNone;
      entry.peer_port = peer.port;
      entry.peer_internet = peer.internet;
    }
  }
}

Result<Endpoint*> SocketServices::Behind(RefPtr<SocketName> name, SocketType type) {
  RefPtr<SocketTarget> target = name ? name->Get() : RefPtr<SocketTarget>();
  if (!target) {
    return Status::kConnectionRefused;
  }
  auto* endpoint = static_cast<Endpoint*>(target.get());
  if (endpoint->type() != type) {
    return Status::kVersionMismatch;  // a stream called a datagram socket
  }
  (void)target.Release();
  return endpoint;
}

void SocketServices::Remove(SocketName& name, const SocketAddress& address) {
  Entry* found = nullptr;
  {
    machine::MutexGuard guard(lock_);
    for (Entry& entry : EntriesOf(address)) {
      if (entry.name.get() == &name) {
        found = &entry;
        break;
      }
    }
    if (found != nullptr) {
      IntrusiveList<Entry>::Remove(found);
    }
  }
  mem::Delete(found);
}

}  // namespace k42::io
