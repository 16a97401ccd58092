// DatagramEndpoint: sockets that send messages to whom they like: local datagrams by name, internet
// datagrams within this node.
//
// Each has one inbox; whoever sends writes into it. A full inbox: local senders get kWouldBlock and
// are told when to try again (room_waits.h): kSendAgain, who is connected kWritable, too. Internet
// datagrams are dropped, as the network might.
// Locking: Endpoint::lock_ guards the peer.
#pragma once

#include "io/conduit.h"
#include "io/endpoint.h"

namespace k42::io {

class DatagramEndpoint final : public Endpoint {
 public:
  static constexpr std::uint64_t kLargest = 65507;  // of an internet datagram

  static Result<DatagramEndpoint*> Make(SocketServices& services, SocketFamily family,
                                        const SenderIdentity& owner);
  DatagramEndpoint(SocketServices& services, SocketFamily family, const SenderIdentity& owner,
                   RefPtr<Conduit> inbox);
  ~DatagramEndpoint() = default;

  Status Listen(std::uint32_t) override { return Status::kNotSupported; }
  Result<Endpoint*> Accept() override { return Status::kNotSupported; }
  Status Connect(Endpoint& target) override;
  Status Disconnect() override;
  Result<std::uint64_t> Send(Transfer& transfer) override;
  Result<std::uint64_t> Receive(Transfer& transfer) override;
  Status Shutdown(ShutdownSide side) override;
  Status TakeError() override;
  bool listening() override { return false; }
  bool connected() override;
  std::uint64_t bytes() override { return inbox_->NextMessageSize(); }
  SenderIdentity peer() override { return {}; }
  void Close() override;
  void LookForRoom() override;
  DatagramEndpoint* AsDatagram() override { return this; }

  // Takes in what `sender` sends to it. kNotOwner: it is connected to somebody else (of local
  // datagrams; an internet datagram does not come here then).
  Result<std::uint64_t> Deliver(Endpoint& sender, Transfer& transfer);
  // Of internet datagrams: what is sent without an address goes there, and nobody else is heard.
  void ConnectTo(const SocketAddress& address);
  // There is no such address: a connected sender is told so at its next call. The size.
  std::uint64_t SentToNobody(std::uint64_t size);

 private:
  void Dispose() override;
  bool Hears(const Endpoint& sender);
  // What a send by `sender` that finds no room here makes it wait for.
  std::uint32_t BitsFor(Endpoint& sender);
  void ForgetRoom();
  bool IsConnectedTo(const Endpoint& other);
  const RefPtr<Conduit> inbox_;
  RoomWaits::Receiver room_;
  RefPtr<DatagramEndpoint> target_ K42_GUARDED_BY(lock_);
  bool by_address_ K42_GUARDED_BY(lock_) = false;  // connected without a target
  bool write_shut_ K42_GUARDED_BY(lock_) = false;
  std::atomic<bool> closed_{false};
};

}  // namespace k42::io
