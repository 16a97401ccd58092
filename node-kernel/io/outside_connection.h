// OutsideConnection: a stream socket's way to a host outside the cluster, by the node's k42-offload
// (abi/offload.h).
//
// States:  connecting -> open -> broken;  connecting -> failed
//   open    in_ is what comes, out_ what goes; ends and half-closes are the conduits' own
//   broken  reset from outside, or the process died: what had come is still read, then the error
// Close leaves the rest to the agent, which holds a reference until what was written has arrived.
//
// The endpoint's threads use the conduits and state_; everything marked so is the agent's thread's
// alone. mutex_ orders changes of the watched list with changes of state.
#pragma once

#include <atomic>

#include "abi/offload_flow.h"
#include "base/intrusive_list.h"
#include "io/conduit.h"
#include "io/remote_connection.h"

namespace k42::io {

class OutsideAgent;

class OutsideConnection final : public RemoteConnection, public ListLink<> {
 public:
  static Result<OutsideConnection*> Make(OutsideAgent& agent, const SocketAddress& target,
                                         ReadyList& list);
  OutsideConnection(OutsideAgent& agent, const SocketAddress& target, ReadyList& list,
                    RefPtr<Conduit> in, RefPtr<Conduit> out, std::byte* kept);
  ~OutsideConnection() = default;

  Result<std::uint64_t> Write(BufferIn data) override;
  Result<std::uint64_t> Read(BufferOut data, bool peek) override;
  Status Shutdown(ShutdownSide side) override;
  Status TakeError() override;
  Status ConnectState() override;
  bool connected() override { return state_.load() == State::kOpen; }
  std::uint64_t readable_bytes() override { return in_->bytes(); }
  std::uint64_t unsent_bytes() override { return out_->bytes(); }
  void Close(bool reset) override;
  void Watch(ReadyList* list) override;

 private:
  friend class OutsideAgent;
  enum class State : std::uint8_t { kConnecting, kOpen, kBroken, kFailed };

  void Dispose() override;
  // The agent has something to do for this connection.
  void Wake();
  // -- the agent's thread --
  void Opened();
  void Failed(Status why);
  void Broken();
  void UpdateListLocked() K42_REQUIRES(mutex_);

  OutsideAgent& agent_;
  const SocketAddress target_;
  const RefPtr<Conduit> in_;
  const RefPtr<Conduit> out_;
  std::atomic<State> state_{State::kConnecting};
  std::atomic<Status> error_{Status::kOk};  // of a failed connect, not told yet
  std::atomic<bool> due_{true};             // the agent looks at it
  std::atomic<bool> wants_room_{false};     // the agent waits for reads
  std::atomic<bool> closed_{false};         // by the endpoint
  machine::Mutex<LockRank::kStreamReader> mutex_;
  ReadyList* list_ K42_GUARDED_BY(mutex_);

  // -- the agent's thread --
  std::uint64_t number_ = 0;
  std::uint64_t life_ = 0;  // of the process it lives in; 0: not asked for yet
  bool close_told_ = false;
  abi::OffloadSender sender_;
  abi::OffloadReceiver receiver_;
  std::byte* const kept_;  // kOffloadWindow bytes: [acked, written) of what goes, by position
};

}  // namespace k42::io
