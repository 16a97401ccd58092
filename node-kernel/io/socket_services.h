// SocketServices: what the sockets of a node share: names outside any directory, ports, and the
// ways to what is not on this node. Made by boot/, or by a test.
//
// Locking: lock_ guards the lists of names, blocking, since there are as many as programs like; a
// leaf.
#pragma once

#include "base/intrusive_list.h"
#include "fs/open_file.idl.h"
#include "io/endpoint.h"
#include "io/remote_connection.h"
#include "io/socket_list.h"
#include "machine/mutex.h"

namespace k42::io {

// Names of local sockets in file systems; implemented by fs.
class LocalNames {
 public:
  // One reference each.
  virtual Result<SocketName*> Make(const cobj::CallContext& caller,
                                   cobj::Ref<fs::IOpenFile> directory, std::string_view path,
                                   std::uint32_t mode) = 0;
  virtual Result<SocketName*> Find(const cobj::CallContext& caller,
                                   cobj::Ref<fs::IOpenFile> directory, std::string_view path) = 0;

 protected:
  ~LocalNames() = default;
};

class SocketServices {
 public:
  static constexpr std::uint16_t kFirstEphemeral = 32768;
  static constexpr std::uint16_t kLastEphemeral = 60999;
  static constexpr std::uint32_t kNodePrefix = 10 << 8 | 42;
  static constexpr std::uint32_t kHostAddress = kNodePrefix << 16 | 255 << 8 | 254;

  // `internet`: this node's own address, in host order.
  SocketServices(std::uint32_t internet, LocalNames& names) : internet_(internet), names_(names) {}
  ~SocketServices();
  SocketServices(const SocketServices&) = delete;

  // The carriers of streams to other nodes (10.42/16) and to hosts outside. Before sockets are
  // used.
  void SetFabric(RemoteStreams& fabric) { fabric_ = &fabric; }
  void SetOutside(RemoteStreams& outside) { outside_ = &outside; }
  // Who carries a stream to an address that is not here; null: nobody.
  RemoteStreams* CarrierTo(std::uint32_t internet) const {
    return IsNode(internet) ? fabric_ : outside_;
  }
  std::uint32_t internet() const { return internet_; }
  SocketList& open_sockets() { return open_sockets_; }
  RoomWaits& room_waits() { return room_waits_; }
  bool IsHere(std::uint32_t internet) const {
    return internet == kInternetAny || internet >> 24 == 127 || internet == internet_;
  }

  // A node of the cluster: 10.42.0.0/16 but the host's own name, k42-host.
  static constexpr bool IsNode(std::uint32_t internet) {
    return internet >> 16 == kNodePrefix && internet != kHostAddress;
  }

  // Names `endpoint`; a port of 0 is chosen. kAddressInUse, kAddressUnavailable.
  Status Bind(const cobj::CallContext& caller, Endpoint& endpoint,
              cobj::Ref<fs::IOpenFile> directory, SocketAddress address, std::uint32_t mode);
  // Who can be reached under `address` on this node: one reference; kConnectionRefused if nobody.
  Result<Endpoint*> Find(const cobj::CallContext& caller, SocketType type,
                         cobj::Ref<fs::IOpenFile> directory, const SocketAddress& address);
  // Who hears an internet datagram to `to` that `from` has sent, the same. Of sockets that share an
  // address it is the one that is connected to the sender, else the last bound of those that are
  // not connected at all.
  Result<Endpoint*> FindReceiver(const SocketAddress& to, const SocketAddress& from);
  // A datagram socket of that name hears `peer` alone from now on; family kNone: everybody.
  void NoteConnected(const SocketName& name, const SocketAddress& address,
                     const SocketAddress& peer);
  // The name stands for nobody any more.
  void Remove(SocketName& name, const SocketAddress& address);

 private:
  static constexpr std::uint32_t kLists = 1024;
  struct Entry : ListLink<> {
    SocketAddress address;
    SocketType type;
    bool reuse = false;
    bool connected = false;  // to:
    std::uint16_t peer_port = 0;
    std::uint32_t peer_internet = 0;
    RefPtr<SocketName> name;
  };
  static bool Shares(const Endpoint& endpoint);
  static Result<Endpoint*> Behind(RefPtr<SocketName> name, SocketType type);
  static bool Same(const Entry& entry, SocketType type, const SocketAddress& address);
  bool TakenLocked(const Endpoint& endpoint, const SocketAddress& address) K42_REQUIRES(lock_);
  // Where all names that are, or overlap, that one are.
  IntrusiveList<Entry>& EntriesOf(const SocketAddress& address) K42_REQUIRES(lock_);
  Status BindNumber(Endpoint& endpoint, SocketAddress address);

  const std::uint32_t internet_;
  LocalNames& names_;
  RemoteStreams* fabric_ = nullptr;
  RemoteStreams* outside_ = nullptr;
  SocketList open_sockets_;
  RoomWaits room_waits_;
  machine::Mutex<LockRank::kSocketNames> lock_;
  IntrusiveList<Entry> entries_[kLists] K42_GUARDED_BY(lock_);
  std::uint16_t next_port_ K42_GUARDED_BY(lock_) = kFirstEphemeral;
};

}  // namespace k42::io
