// Endpoint: a socket's state, apart from the object that handles refer to: connections, backlogs
// and names hold it too. Two kinds: stream_endpoint.h, datagram_endpoint.h.
//
// Life: counted references; Close() when the last handle has gone, after which it only lingers for
// those who still look at it.
#pragma once

#include <atomic>

#include "base/buffer.h"
#include "cobj/call_context.h"
#include "io/attachment.h"
#include "io/ready_list.h"
#include "io/room_waits.h"
#include "io/socket.types.h"
#include "io/socket_name.h"

namespace k42::io {

class SocketServices;

inline constexpr std::uint64_t kSocketBuffer = 212992;
inline constexpr std::size_t kOptionCount = 34;

// What a Send or Receive passes besides the bytes.
struct Transfer {
  BufferIn in;
  BufferOut out;
  Attachment* attachment = nullptr;    // Send: taken over on success
  RefPtr<class Endpoint> destination;  // Send: an address was given
  bool peek = false;
  Origin* origin = nullptr;        // Receive, of messages: filled when peeking
  std::uint64_t message_size = 0;  // Receive
  bool cut = false;
};

class Endpoint : public SocketTarget {
 public:
  SocketFamily family() const { return family_; }
  SocketType type() const { return type_; }
  ReadyList& list() { return list_; }
  const SenderIdentity& owner() const { return owner_; }
  SocketServices& services() const { return services_; }
  RoomWaits::Sender& room_wait() { return room_wait_; }

  virtual Status Listen(std::uint32_t backlog) = 0;
  virtual Result<Endpoint*> Accept() = 0;  // one reference
  virtual Status Connect(Endpoint& target) = 0;
  virtual Status Disconnect() = 0;
  virtual Result<std::uint64_t> Send(Transfer& transfer) = 0;
  virtual Result<std::uint64_t> Receive(Transfer& transfer) = 0;
  virtual Status Shutdown(ShutdownSide side) = 0;
  virtual Status TakeError() = 0;
  virtual bool listening() = 0;
  virtual bool connected() = 0;
  virtual std::uint64_t bytes() = 0;
  // Written, and not yet with the receiver.
  virtual std::uint64_t unsent() { return 0; }
  virtual SenderIdentity peer() = 0;
  virtual void Close() = 0;
  // Before its readiness is asked for: whether there is room at the other end, if that is not told.
  virtual void LookForRoom() {}
  // Of type kDatagram are those, and the ends of datagram pairs, which are streams of messages.
  virtual class DatagramEndpoint* AsDatagram() { return nullptr; }

  // -- names --
  SocketAddress address();
  SocketAddress peer_address();
  void SetAddress(const SocketAddress& address);
  void SetPeerAddress(const SocketAddress& address);
  bool bound() { return static_cast<bool>(name()); }
  RefPtr<SocketName> name();  // null: not bound
  // Where others find it; given up by Unbind.
  void SetName(RefPtr<SocketName> name);
  void Unbind();

  std::int64_t option(SocketOption option) const {
    return options_[static_cast<std::size_t>(option)].load(std::memory_order_relaxed);
  }
  void SetOption(SocketOption option, std::int64_t value) {
    options_[static_cast<std::size_t>(option)].store(value, std::memory_order_relaxed);
  }

 protected:
  Endpoint(SocketServices& services, SocketFamily family, SocketType type,
           const SenderIdentity& owner, std::uint32_t ready);
  ~Endpoint();

  // Guards what subclasses say, and the names. A leaf but for the ready list's own.
  machine::SpinLock<LockRank::kNode> lock_;

 private:
  SocketServices& services_;
  const SocketFamily family_;
  const SocketType type_;
  const SenderIdentity owner_;
  ReadyList list_;
  RoomWaits::Sender room_wait_{list_};
  std::atomic<std::int64_t> options_[kOptionCount] = {};
  SocketAddress address_ K42_GUARDED_BY(lock_){};
  SocketAddress peer_address_ K42_GUARDED_BY(lock_){};
  RefPtr<SocketName> name_ K42_GUARDED_BY(lock_);
};

}  // namespace k42::io
