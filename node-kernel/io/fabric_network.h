// FabricNetwork: streams between this node and the others: the table of connections by stream id,
// who is connected to whom, and the kernel's end of the stream channel.
//
// A peer's kOpen finds the listener that has the port here, as connect() within the node would, and
// puts a connected endpoint into its backlog. What arrives for an id that nobody has is answered by
// a reset, so that a peer that missed the end of a connection learns it.
//
// Threads: messages come on the link threads; a pump thread per CPU carries out what must go from
// that CPU, CPU 0's also the deadlines. Locking: table_lock_ guards the table; per CPU, the pump's
// queue.
#pragma once

#include <atomic>

#include "cobj/factory.h"
#include "global/cluster_view.h"
#include "global/link.h"
#include "io/fabric_connection.h"
#include "io/socket_services.h"
#include "machine/thread.h"
#include "machine/timer.h"

namespace k42::io {

class StreamEndpoint;

class FabricNetwork final : public RemoteStreams, public global::LinkReceiver {
 public:
  static constexpr std::uint32_t kMaxStreams = 1024;
  static constexpr std::uint32_t kLargestRing = 256 << 10;

  FabricNetwork(global::Link& link, const global::ClusterView& view, SocketServices& services);
  ~FabricNetwork() = default;
  FabricNetwork(const FabricNetwork&) = delete;

  // Makes the pump threads. With all CPUs running, before messages can arrive.
  Status Start();

  // -- RemoteStreams --
  Result<RemoteConnection*> Connect(const SocketAddress& from, const SocketAddress& to,
                                    ReadyList& list) override;

  // -- LinkReceiver --
  void OnMessage(global::LinkPeer from, const abi::Frame& frame, Bytes payload) override;
  void OnNotify(global::LinkPeer from, std::uint64_t word) override;
  void OnPeerDown(global::LinkPeer peer, Status why) override;
  void OnDaemonChanged() override;

  // The class of streams, for its updates.
  cobj::Factory<IFabricStream>& factory() { return factory_; }
  // The connection at or behind `index` in the table, with a reference; null: none. For lists.
  FabricConnection* NextConnection(std::uint32_t* index);

  // -- connections' --
  global::Link& link() { return link_; }
  void Remove(FabricConnection& connection);
  // RunPump of a connection whose turn was taken, on another CPU.
  void PumpOn(machine::CpuId cpu, FabricConnection& connection);
  void DeadlineSet();

 private:
  struct PumpCpu {
    FabricNetwork* network = nullptr;
    machine::Thread* thread = nullptr;
    machine::SpinLock<LockRank::kWaitQueue> lock;
    IntrusiveQueue<FabricConnection> queue K42_GUARDED_BY(lock);  // a reference each
  };
  struct Slot {
    FabricConnection* connection = nullptr;  // a reference
    std::uint32_t generation = 0;
    bool taken = false;  // also while the connection is being made
  };

  // A connection in the table; one reference.
  Result<FabricConnection*> MakeConnection(global::LinkPeer peer);
  FabricConnection* Find(global::LinkPeer peer, StreamId id);
  FabricConnection* FindAccepted(global::LinkPeer peer, const StreamMessage& open);
  std::uint32_t RingSize();
  void OnOpen(global::LinkPeer from, const StreamMessage& open);
  Status Admit(global::LinkPeer from, const StreamMessage& open);
  // A message that belongs to no connection.
  void SendAlone(global::LinkPeer to, const StreamMessage& message);
  static void RunPumpThread(void* cpu);
  void RunDeadlines(machine::Timer& tick);
  template <typename F>
  void ForEach(F&& f);

  global::Link& link_;
  const global::ClusterView& view_;
  SocketServices& services_;
  cobj::Factory<IFabricStream> factory_;
  machine::SpinLock<LockRank::kNode> table_lock_;
  Slot table_[kMaxStreams] K42_GUARDED_BY(table_lock_);
  PumpCpu pumps_[machine::kMaxCpus];
  std::atomic<bool> deadline_set_{false};
};

}  // namespace k42::io
