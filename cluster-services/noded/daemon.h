// k42-noded's core: one guest, its arena, the transports to its peers, and its place in the
// cluster.
//
// States of the guest, as `status` shows them:
//   kDown      no QEMU at the link's socket: looked for every tick
//   kBooting   the carrier runs, the kernel has not formatted its arena
//   kJoining   attached; asked for membership, as soon as the transports open
//   kUp        identity given to the kernel, transports open
// QEMU gone (from anywhere): leave the cluster, forget the guest, kDown. A restart of the daemon
// goes kDown -> kUp with the incarnation that it finds in the arena, and the kernel's operations in
// it are settled (interconnect/link_host.h).
//
// A view removes peers first, then adds, then is told to the kernel: when the kernel installs it,
// no transport serves a removed one any more.
//
// Everything here runs on the event loop's thread.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "abi/link_control.h"
#include "cluster-services/noded/deaf_qemu.h"
#include "cluster-services/noded/event_loop.h"
#include "cluster-services/noded/membership.h"
#include "interconnect/carrier.h"
#include "interconnect/fault_transport.h"
#include "interconnect/link_host.h"
#include "interconnect/mapped_transport.h"
#include "interconnect/ucx_transport.h"

namespace k42::noded {

struct Options {
  std::string cluster = "k42";
  std::uint32_t node = 1;
  std::string folder;             // link.sock is there; noded.sock and fabric.sock are made there
  std::string members;            // folder membership, instead of a store
  std::string etcd;               // endpoints, comma separated
  std::string transport = "shm";  // "shm": neighbours' arenas mapped; "tcp": UCX/TCP always;
                                  // "ucx": UCX chooses among what the host has
  bool one_sided = false;         // "ucx": NICs put and get by themselves (UcxOptions)
  std::uint32_t cpus = 1;
  std::uint64_t seed = 0;
  std::string module_keys;  // folder of public keys (*.pem) that may vouch for modules
  // A kernel whose heartbeat stands still for so long leaves the cluster; longer than whoever looks
  // at it with a debugger, or starves it, may need.
  std::uint64_t hang_ns = 20'000'000'000;
};

class Daemon final : public interconnect::CarrierEvents, public MembershipEvents {
 public:
  enum class Guest { kDown, kBooting, kJoining, kUp };

  Daemon(const Options& options, EventLoop& loop);
  ~Daemon() override;

  // Told to the other members' daemons. Before the loop runs.
  void SetAttribute(const std::string& name, const std::string& value) {
    attributes_[name] = value;
  }
  void SetMembership(std::unique_ptr<Membership> membership) {
    membership_ = std::move(membership);
  }
  // What the loop calls.
  std::size_t Serve();
  int Arm();
  // Leaves in order; the guest is left running, for a successor.
  void Shutdown();

  Guest guest() const { return guest_; }
  EventLoop& loop() { return loop_; }
  // Where the cluster agrees; null without one. Safe on any thread.
  store::Store* store() { return membership_ == nullptr ? nullptr : membership_->Store(); }
  agent::ClusterAgent* agent() { return membership_ == nullptr ? nullptr : membership_->Agent(); }
  const Options& options() const { return options_; }
  const interconnect::LocalIdentity& identity() const { return identity_; }
  const ViewOfCluster& view() const { return view_; }
  interconnect::LinkHost* link() { return link_.get(); }
  interconnect::Arena* arena() { return link_ == nullptr ? nullptr : arena_; }
  const interconnect::GuestMemory& memory() const { return carrier_.memory(); }
  std::vector<interconnect::FaultTransport*> transports();
  // Of the way to a node. "cut", "delay" (milliseconds), "slow" (megabytes a second) or "heal":
  // stays over the guest's lives. "hold", "break" (operations, which were `done`): once. False: a
  // break that cannot be, as there is nothing to break.
  bool SetFault(const std::string& kind, std::uint32_t node, double value, bool done = true);
  // Messages of the kernel to its daemon, of kinds `first` to `last`: each range has one handler.
  using ControlHandler = std::function<void(const abi::Frame&, std::span<const std::byte>)>;
  void SetControlHandler(abi::ControlKind first, abi::ControlKind last, ControlHandler handler) {
    control_.push_back({first, last, std::move(handler)});
  }
  // Called when the guest is up, and when it is over.
  void AddGuestHandler(std::function<void(bool up)> handler) {
    on_guest_.push_back(std::move(handler));
  }
  // Called when a guest is attached, before it joins; it joins when `join` is called, on the loop's
  // thread. `adopted`: it is a member already, a daemon before this one has seen to it.
  using JoinGate = std::function<void(bool adopted, std::function<void()> join)>;
  void SetJoinGate(JoinGate gate) { join_gate_ = std::move(gate); }
  // The kernel's own number of its life, all zero before there is one.
  std::array<std::byte, 16> boot_id() const;
  std::uint64_t NowNs() const { return clock_.NowNs(); }

  // -- CarrierEvents --
  void OnArena(interconnect::Arena& arena) override;
  void OnKick() override;
  void OnGone() override;

  // -- MembershipEvents --
  void OnJoined(const Life& life) override;
  void OnLease(std::int64_t lease) override;
  void OnView(const ViewOfCluster& view) override;
  void OnExcluded(const std::string& why) override;

 private:
  void Tick();
  void LookForLife();
  void TryAttach();
  // Opens the transports and asks for membership with their addresses; later if they do not open.
  void AskToJoin();
  bool OpenTransports();
  void CloseTransports();
  void Distrust(const std::string& why);
  void ForgetGuest(const std::string& why);
  interconnect::Transport* RouteTo(const MemberNode& member, std::string* address);
  bool IsMember(interconnect::PeerId node) const;
  void TellKernelView();
  void ApplyFaults(std::uint32_t node);
  void OnControl(const abi::Frame& frame, std::span<const std::byte> payload);
  void TellGuestHandlers(bool up);

  struct KindRange {
    abi::ControlKind first;
    abi::ControlKind last;
    ControlHandler handler;
  };

  const Options options_;
  EventLoop& loop_;
  interconnect::MonotonicClock clock_;
  std::string host_id_;
  std::unique_ptr<Membership> membership_;
  interconnect::Carrier carrier_;
  DeafQemu deaf_qemu_;
  interconnect::Arena* arena_ = nullptr;
  std::unique_ptr<interconnect::LinkHost> link_;
  std::unique_ptr<interconnect::FaultTransport> mapped_;
  std::unique_ptr<interconnect::FaultTransport> ucx_;
  struct Fault {
    bool cut = false;
    std::uint64_t delay_ns = 0;
    std::uint64_t bytes_per_second = 0;
  };
  std::map<std::uint32_t, Fault> faults_;  // by node
  std::map<interconnect::PeerId, interconnect::Transport*> routes_;
  interconnect::LocalIdentity identity_;
  ViewOfCluster view_;
  Attributes attributes_;  // beside the transports'
  Guest guest_ = Guest::kDown;
  std::uint64_t next_tick_ns_ = 0;
  bool over_ = false;  // the guest's life, in the cluster's eyes; the guest has been told
  std::uint64_t heartbeat_ = 0;
  std::uint64_t looked_ns_ = 0;  // when heartbeat_ was that
  std::uint64_t stood_still_ns_ = 0;
  std::uint64_t meet_again_ns_ = 0;  // not before: a guest that made no sense a moment ago
  std::uint64_t open_again_ns_ = 0;  // 0: the transports are open, or nobody needs them
  std::vector<KindRange> control_;
  std::vector<std::function<void(bool)>> on_guest_;
  JoinGate join_gate_;
  std::uint64_t attached_ = 0;  // how many guests came and went
};

}  // namespace k42::noded
