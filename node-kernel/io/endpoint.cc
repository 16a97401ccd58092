#include "io/endpoint.h"

#include "io/socket_services.h"

namespace k42::io {

Endpoint::Endpoint(SocketServices& services, SocketFamily family, SocketType type,
                   const SenderIdentity& owner, std::uint32_t ready)
    : services_(services), family_(family), type_(type), owner_(owner), list_(ready) {
  SetOption(SocketOption::kSendBuffer, kSocketBuffer);
  SetOption(SocketOption::kReceiveBuffer, kSocketBuffer);
  SetOption(SocketOption::kReceiveLowMark, 1);
  SetOption(SocketOption::kLinger, -1);
  SetOption(SocketOption::kKeepIdle, 7200);
  SetOption(SocketOption::kKeepInterval, 75);
  SetOption(SocketOption::kKeepCount, 9);
  SetOption(SocketOption::kSynCount, 6);
  SetOption(SocketOption::kMaxSegment, 32768);
  SetOption(SocketOption::kTimeToLive, 64);
  address_.family = family;
}

Endpoint::~Endpoint() {
  services_.room_waits().End(room_wait_);
}

SocketAddress Endpoint::address() {
  machine::SpinGuard guard(lock_);
  return address_;
}
SocketAddress Endpoint::peer_address() {
  machine::SpinGuard guard(lock_);
  return peer_address_;
}
void Endpoint::SetAddress(const SocketAddress& address) {
  machine::SpinGuard guard(lock_);
  address_ = address;
}
void Endpoint::SetPeerAddress(const SocketAddress& address) {
  machine::SpinGuard guard(lock_);
  peer_address_ = address;
}

RefPtr<SocketName> Endpoint::name() {
  machine::SpinGuard guard(lock_);
  return name_;
}

void Endpoint::SetName(RefPtr<SocketName> name) {
  name->Set(RefPtr<SocketTarget>(this));
  machine::SpinGuard guard(lock_);
  std::swap(name_, name);
}

void Endpoint::Unbind() {
  RefPtr<SocketName> name;
  {
    machine::SpinGuard guard(lock_);
    std::swap(name_, name);
  }
  if (name) {
    name->Set(nullptr);
    services_.Remove(*name, address());
  }
}

}  // namespace k42::io
