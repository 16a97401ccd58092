// FabricConnection: a socket's connection to another node. It has what does not change when the
// class of the stream is replaced: the rings in the arena, the window over the receive ring, the
// operations under way, and who is told of readiness; the stream itself is a clustered object
// (fabric_stream.idl).
//
// Life: made (Connect, or Accept of a peer's kOpen) -> in the network's table -> closed by the user
// -> released by the stream, when nothing of it is under way any more: out of the table, stream
// destroyed, rings given back (the receive ring when its window is certainly closed). References:
// the endpoint's, the table's, one per operation under way.
//
// Pumping: after each step of the stream somebody carries out its actions, one thread at a time
// (pump_turn.h), and in order: operations of one CPU stay in order, so while one is under way the
// next goes from the same CPU; a step elsewhere hands the turn to that CPU's pump thread.
//
// Locking: reader_lock_ and writer_lock_ keep readers and writers in order while user memory is
// copied. list_lock_ guards the watched list, blocking: as many wait there as like. What only the
// turn's holder uses needs no lock.
#pragma once

#include <atomic>

#include "base/intrusive_queue.h"
#include "global/link.h"
#include "io/fabric_ring.h"
#include "io/fabric_stream.forward.h"
#include "io/fabric_stream.idl.h"
#include "io/pump_turn.h"
#include "io/remote_connection.h"
#include "io/stream_batch.h"
#include "machine/mutex.h"
#include "machine/spin_lock.h"

namespace k42::io {

class FabricNetwork;

class FabricConnection final : public RemoteConnection, public QueueLink<> {
 public:
  // Not in the table yet. One reference. kNoMemory, kLimitExceeded (windows).
  static Result<FabricConnection*> Make(FabricNetwork& network, global::LinkPeer peer, StreamId id,
                                        std::uint32_t ring_size);
  FabricConnection(FabricNetwork& network, global::LinkPeer peer, StreamId id)
      : network_(network), peer_(peer), id_(id) {}
  ~FabricConnection() = default;

  StreamId id() const { return id_; }
  global::LinkPeer peer() const { return peer_; }
  // Of accepted ones only: was it made for this kOpen, or one that this repeats? Ids come round
  // after 256 streams; a window never does while somebody may remember it.
  bool AcceptedFor(const StreamMessage& open) const {
    return accepted_from_ == open.from && accepted_window_ == open.window;
  }

  // -- steps; each pumps --
  Status Connect(std::uint16_t local_port, std::uint16_t peer_port);
  Status Accept(const StreamMessage& open);
  void OnMessage(const StreamMessage& message);
  void OnData(std::uint64_t word);
  void OnBreak();
  void OnPeerGone();
  void OnTimer(std::uint64_t now_ns);
  Status Describe(StreamDescription* description) { return stream_->Describe(*description); }
  // When OnTimer is wanted; ~0: not.
  std::uint64_t deadline() const { return deadline_.load(std::memory_order_relaxed); }
  // As if it had never been asked for: the peer is told nothing.
  void Abandon();
  // Carries out what the stream wants done. Every step does; Accept leaves it to the caller.
  void Pump();
  // With the turn in hand: on the CPU that it was handed to.
  void RunPump();

  // -- RemoteConnection --
  Result<std::uint64_t> Write(BufferIn data) override;
  Result<std::uint64_t> Read(BufferOut data, bool peek) override;
  Status Shutdown(ShutdownSide side) override;
  Status TakeError() override;
  Status ConnectState() override;
  bool connected() override;
  std::uint64_t readable_bytes() override;
  std::uint64_t unsent_bytes() override;
  void Close(bool reset) override;
  void Watch(ReadyList* list) override;

 private:
  static constexpr std::uint32_t kOperations = 8;
  struct Operation : global::LinkRequest {
    FabricConnection* owner = nullptr;
    StreamMessage message;
    std::uint64_t put_end = 0;
  };

  void Dispose() override;
  void Carry(const StreamAction& action);
  void Submit(Operation& operation, bool awaited);
  void Tell(const StreamLook& look);
  // After a step of the user's own: what it did must show before its call returns, whoever pumps.
  void TellNow();
  void Release();
  static void OnDone(global::LinkRequest& request);
  static void OnRevoked(global::LinkRequest& request);

  FabricNetwork& network_;
  const global::LinkPeer peer_;
  const StreamId id_;
  StreamId accepted_from_ = 0;
  abi::WindowId accepted_window_ = 0;
  cobj::Ref<IFabricStream> stream_;
  global::ArenaRange send_range_, receive_range_;
  FabricRing send_, receive_;
  abi::WindowId window_ = 0;

  machine::Mutex<LockRank::kStreamReader> reader_lock_;  // one reader at a time
  machine::Mutex<LockRank::kStreamReader> writer_lock_;  // one writer at a time
  machine::Mutex<LockRank::kStream> list_lock_;
  ReadyList* list_ K42_GUARDED_BY(list_lock_) = nullptr;
  StreamLook told_ K42_GUARDED_BY(list_lock_);  // the latest

  PumpTurn<> turn_;
  machine::CpuId cpu_ = 0;  // where operations under way were submitted; the turn's
  std::atomic<std::uint32_t> under_way_{0};
  std::atomic<std::uint32_t> free_operations_{(1u << kOperations) - 1};
  std::atomic<std::uint64_t> deadline_{~std::uint64_t{0}};
  bool release_due_ = false;  // the turn's
  bool gone_ = false;         // likewise
  Operation operations_[kOperations];
  Operation revocation_;
};

}  // namespace k42::io
