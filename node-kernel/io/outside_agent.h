// OutsideAgent: carries streams to hosts outside, over messages to the node's k42-offload
// (abi/offload.h): io's part of it. Its thread, and the way of the messages, are boot's.
//
// One thread calls everything marked so, and only it touches the connections' positions; other
// threads ask for connections, use their conduits, and wake it. It never waits.
//
// The process is checked, not trusted: a message out of shape or beyond its credit breaks that
// connection, and nothing else.
#pragma once

#include "base/bytes.h"
#include "io/outside_connection.h"

namespace k42::io {

// The way to the process; implemented by boot.
class OutsidePort {
 public:
  // The agent's thread. An error: it did not leave.
  virtual Status Send(const abi::OffloadHeader& header, Bytes payload) = 0;
  // Any thread: Serve is called soon.
  virtual void WakeAgent() = 0;

 protected:
  ~OutsidePort() = default;
};

class OutsideAgent final : public RemoteStreams {
 public:
  explicit constexpr OutsideAgent(OutsidePort& port) : port_(port) {}

  // kUnreachable: there is no process; kLimitExceeded.
  Result<RemoteConnection*> Connect(const SocketAddress& from, const SocketAddress& to,
                                    ReadyList& list) override;
  void Wake() { port_.WakeAgent(); }

  // -- the agent's thread --
  // The process that is there now, 0: none; and how often a daemon has come to it.
  void OnSession(std::uint64_t life, std::uint64_t session);
  void OnMessage(const abi::OffloadHeader& header, Bytes payload);
  // One round over all connections.
  void Serve();

  std::uint32_t count() const { return count_.load(); }

 private:
  OutsideConnection* Find(std::uint64_t number);
  void TakeWanted();
  void Ask(OutsideConnection& connection);
  // False: the connection is over.
  bool Take(OutsideConnection& connection, const abi::OffloadHeader& header, Bytes payload);
  void OnReset(OutsideConnection& connection, Status why);
  bool TakeData(OutsideConnection& connection, const abi::OffloadHeader& header, Bytes payload);
  bool Advance(OutsideConnection& connection);
  bool ReadOut(OutsideConnection& connection);
  bool SendOut(OutsideConnection& connection);
  bool GrantIn(OutsideConnection& connection, bool always);
  bool Abort(OutsideConnection& connection);
  void Resume(OutsideConnection& connection);
  void Forget(OutsideConnection& connection);
  Status Tell(abi::OffloadKind kind, const OutsideConnection& connection,
              std::uint64_t position = 0, std::uint64_t limit = 0, std::uint16_t flags = 0,
              std::int32_t session = 0);

  OutsidePort& port_;
  std::atomic<std::uint64_t> life_{0};
  std::atomic<std::uint32_t> count_{0};
  machine::SpinLock<LockRank::kFactory> lock_;
  IntrusiveList<OutsideConnection> wanted_ K42_GUARDED_BY(lock_);  // a reference each

  // -- the agent's thread --
  IntrusiveList<OutsideConnection> connections_;  // a reference each
  std::uint64_t last_number_ = 0;
  std::int32_t session_ = 0;
};

}  // namespace k42::io
