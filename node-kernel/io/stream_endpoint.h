// StreamEndpoint: connection-oriented sockets: local streams and sequenced packets, and internet
// streams. Also both ends of any socket pair.
//
// States:  fresh -> listening;  fresh -> connected (by Connect, or born so by a listener);
//          any -> closed.
// A connection within the node is two conduits; one that leaves it is a RemoteConnection, which
// knows itself whether it is still connecting. A listener's backlog holds the connected endpoints
// that nobody has accepted; their clients may write already.
// Locking: Endpoint::lock_ guards the state; conduits are called without it. What the state makes
// of the ready list is told behind it, in the same order: ready_order_, a blocking lock, is around
// both where the state says what is ready (a listener's backlog; a connection that failed).
#pragma once

#include "io/conduit.h"
#include "io/endpoint.h"
#include "io/remote_connection.h"
#include "machine/mutex.h"

namespace k42::io {

class StreamEndpoint final : public Endpoint, public ListLink<> {
 public:
  static constexpr std::uint32_t kLargestBacklog = 4096;

  static Result<StreamEndpoint*> Make(SocketServices& services, SocketFamily family,
                                      SocketType type, const SenderIdentity& owner);
  StreamEndpoint(SocketServices& services, SocketFamily family, SocketType type,
                 const SenderIdentity& owner);
  ~StreamEndpoint() = default;

  // Two fresh endpoints become a connection.
  static Status Join(StreamEndpoint& a, StreamEndpoint& b);

  // Begins to connect to an address that is not on this node; bound before. kInProgress, and the
  // list tells the end. Again: kInProgress, kAlreadyConnected, or why it failed.
  Status ConnectRemote(const SocketAddress& target);
  // A carrier's: somebody at `peer` has connected to this listener. The connection is watched by
  // the new endpoint from now on; taken over (one reference) if it is kOk. kBusy: the backlog is
  // full; kConnectionRefused.
  Status OfferRemote(RemoteConnection* connection, const SocketAddress& here,
                     const SocketAddress& peer);

  Status Listen(std::uint32_t backlog) override;
  Result<Endpoint*> Accept() override;
  Status Connect(Endpoint& target) override;
  Status Disconnect() override { return Status::kInvalidArgument; }
  Result<std::uint64_t> Send(Transfer& transfer) override;
  Result<std::uint64_t> Receive(Transfer& transfer) override;
  Status Shutdown(ShutdownSide side) override;
  Status TakeError() override;
  bool listening() override { return StateNow() == State::kListening; }
  bool connected() override;
  std::uint64_t bytes() override;
  std::uint64_t unsent() override;
  SenderIdentity peer() override;
  void Close() override;

 private:
  enum class State : std::uint8_t { kFresh, kListening, kConnected, kClosed };
  // Either both conduits, or the remote connection.
  struct Lines {
    RefPtr<Conduit> in;
    RefPtr<Conduit> out;
    RefPtr<RemoteConnection> remote;
  };

  void Dispose() override;
  void End(bool reset);
  State StateNow();
  Lines LinesNow();
  Status Attach(const Lines& lines, const SenderIdentity& peer);
  // Puts a connected endpoint into the backlog.
  Status Offer(StreamEndpoint& caller);
  // A fresh endpoint for a connection to this listener, whose options it inherits.
  Result<StreamEndpoint*> MakeFarEnd();

  machine::Mutex<LockRank::kStream> ready_order_;  // changes of the state, and what is told of them
  State state_ K42_GUARDED_BY(lock_) = State::kFresh;
  Lines lines_ K42_GUARDED_BY(lock_);
  SenderIdentity peer_ K42_GUARDED_BY(lock_){};
  std::uint32_t backlog_limit_ K42_GUARDED_BY(lock_) = 0;
  std::uint32_t backlog_size_ K42_GUARDED_BY(lock_) = 0;
  IntrusiveList<StreamEndpoint> backlog_ K42_GUARDED_BY(lock_);  // a reference each
};

}  // namespace k42::io
