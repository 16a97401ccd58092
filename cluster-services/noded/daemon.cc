#include "cluster-services/noded/daemon.h"

#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "abi/link_control.h"
#include "cluster-services/noded/hex.h"

namespace k42::noded {
namespace {

using interconnect::PeerId;
using interconnect::Transport;

constexpr std::uint64_t kTickNs = 100'000'000;

// Neighbours are those who can map each other's memory: same host, same boot, same user.
std::string HostId() {
  std::string boot_id;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot_id);
  return boot_id + "/" + std::to_string(getuid());
}

std::uint64_t ClusterId(const std::string& name) {
  std::uint64_t hash = 0xcbf2'9ce4'8422'2325;  // FNV-1a
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100'0000'01b3;
  return hash;
}

}  // namespace

Daemon::Daemon(const Options& options, EventLoop& loop)
    : options_(options),
      loop_(loop),
      host_id_(HostId()),
      carrier_(options.folder + "/link.sock", options.cpus, *this),
      deaf_qemu_(options.folder + "/qmp.sock", loop, [this] {
        if (carrier_.silent())
          carrier_.Progress();
        return carrier_.silent();
      }) {
  identity_.cluster_id = ClusterId(options.cluster);
  identity_.self.node = options.node;
  loop_.Watch(carrier_.WaitFd(), EPOLLIN, [this](std::uint32_t) { carrier_.Progress(); });
}

Daemon::~Daemon() {
  CloseTransports();
}

// -- the loop -----------------------------------------------------------------------------------

std::size_t Daemon::Serve() {
  if (clock_.NowNs() >= next_tick_ns_)
    Tick();
  std::size_t served = 0;
  if (mapped_ != nullptr)
    served += mapped_->Progress();
  if (ucx_ != nullptr)
    served += ucx_->Progress();
  if (link_ == nullptr)
    return served;
  served += link_->Serve();
  // A message may be lost only with its endpoint.
  const std::set<PeerId> overflowed = link_->TakeOverflowed();
  for (const PeerId& peer : overflowed) {
    spdlog::warn("{}: the kernel does not read; its endpoint is broken", peer.Text());
    if (auto route = routes_.find(peer); route != routes_.end())
      route->second->RemovePeer(peer, Status::kEndpointDown);
    routes_.erase(peer);
  }
  if (!overflowed.empty())
    OnView(view_);
  if (link_->broken())
    Distrust("the kernel's words in the rings make no sense");
  return served;
}

int Daemon::Arm() {
  bool armed = (link_ == nullptr || link_->Arm()) && (mapped_ == nullptr || mapped_->Arm()) &&
               (ucx_ == nullptr || ucx_->Arm());
  if (!armed)
    return 0;
  std::uint64_t next = next_tick_ns_;
  if (mapped_ != nullptr)
    next = interconnect::EarlierTimer(next, mapped_->NextTimer());
  if (ucx_ != nullptr)
    next = interconnect::EarlierTimer(next, ucx_->NextTimer());
  std::uint64_t now = clock_.NowNs();
  return next <= now ? 0 : static_cast<int>((next - now) / 1'000'000 + 1);
}

void Daemon::Tick() {
  next_tick_ns_ = clock_.NowNs() + kTickNs;
  if (carrier_.state() == interconnect::Carrier::State::kSearching &&
      clock_.NowNs() >= meet_again_ns_ && carrier_.Connect())
    spdlog::info("connected to {}/link.sock", options_.folder);
  deaf_qemu_.Look(clock_.NowNs());
  if (guest_ == Guest::kBooting)
    TryAttach();
  if (guest_ == Guest::kJoining && open_again_ns_ != 0 && clock_.NowNs() >= open_again_ns_)
    AskToJoin();
  if (guest_ == Guest::kUp) {
    // A guest that stands still decides nothing, whatever its lease says.
    constexpr std::uint64_t kPausedNs = 2'000'000'000;
    bool runs = link_->HeartbeatAgeNs() < kPausedNs;
    link_->SetAuthority(runs && membership_ ? membership_->AuthorityDeadlineNs() : 0);
    LookForLife();
  }
}

// A kernel that hangs must not stay a member for ever. Only our own running time counts: whoever
// stops a whole host stops us, too, and proves nothing.
void Daemon::LookForLife() {
  constexpr std::uint64_t kMostOfATick = 1'000'000'000;
  const std::uint64_t now = clock_.NowNs();
  const std::uint64_t passed = looked_ns_ == 0 ? 0 : std::min(now - looked_ns_, kMostOfATick);
  looked_ns_ = now;
  const std::uint64_t heartbeat = arena_->header().heartbeat.load(std::memory_order_relaxed);
  stood_still_ns_ =
      std::exchange(heartbeat_, heartbeat) == heartbeat ? stood_still_ns_ + passed : 0;
  if (over_ || stood_still_ns_ < options_.hang_ns)
    return;
  const std::string why =
      "the kernel has stood still for " + std::to_string(options_.hang_ns / 1'000'000'000) + " s";
  spdlog::error("{}; if it does not end by itself, restart its QEMU", why);
  if (membership_ != nullptr)
    membership_->Leave(why);
  OnExcluded(why);
}

void Daemon::Shutdown() {
  if (link_ != nullptr)
    link_->Detach();
  CloseTransports();
}

// -- the guest ----------------------------------------------------------------------------------

void Daemon::OnArena(interconnect::Arena& arena) {
  spdlog::info("guest has an arena of {} MiB", arena.size() >> 20);
  arena_ = &arena;
  guest_ = Guest::kBooting;
}

void Daemon::OnKick() {
  if (guest_ == Guest::kBooting)
    TryAttach();
}

void Daemon::TryAttach() {
  auto link = std::make_unique<interconnect::LinkHost>(
      *arena_,
      interconnect::LinkHost::Wiring{
          .call = [this](std::uint32_t cpu) { carrier_.Call(cpu); },
          .route =
              [this](PeerId peer) {
                auto it = routes_.find(peer);
                return it == routes_.end() ? nullptr : it->second;
              },
          .is_member = [this](PeerId peer) { return !over_ && IsMember(peer); },
          .transports =
              [this] {
                std::vector<Transport*> all;
                if (mapped_ != nullptr)
                  all.push_back(mapped_.get());
                if (ucx_ != nullptr)
                  all.push_back(ucx_.get());
                return all;
              },
          .on_control = [this](const abi::Frame& frame,
                               std::span<const std::byte> payload) { OnControl(frame, payload); }},
      clock_);
  Status status = link->Attach();
  if (status == Status::kUnavailable)
    return;  // the kernel is not that far
  if (status != Status::kOk) {
    spdlog::error("the arena is refused: {}", StatusName(status));
    return Distrust("its arena is not ours");
  }
  link_ = std::move(link);
  identity_.daemon_generation = link_->generation();
  guest_ = Guest::kJoining;
  AskToJoin();
}

void Daemon::AskToJoin() {
  if (!OpenTransports()) {
    constexpr std::uint64_t kOpenAgainNs = 1'000'000'000;
    open_again_ns_ = clock_.NowNs() + kOpenAgainNs;
    return;
  }
  open_again_ns_ = 0;
  Attributes attributes = attributes_;
  attributes["host"] = host_id_;
  if (mapped_ != nullptr)
    attributes["mapped"] = mapped_->LocalAddress();
  if (ucx_ != nullptr)
    attributes["ucx"] = ucx_->LocalAddress();
  Life adopted;
  if (link_->AdoptedIncarnation() != 0) {
    const abi::DaemonHeader& header = arena_->daemon();
    adopted.incarnation = header.incarnation;
    adopted.lease = static_cast<std::int64_t>(header.lease_id);
    std::memcpy(adopted.secret.data(), header.secret, sizeof header.secret);
  }
  spdlog::info("attached, generation {}{}", link_->generation(),
               adopted.incarnation != 0
                   ? ", going on as incarnation " + std::to_string(adopted.incarnation)
                   : "");
  auto join = [this, attributes, adopted, guest = ++attached_] {
    if (membership_ != nullptr && guest == attached_ && guest_ == Guest::kJoining)
      membership_->Join(attributes, adopted);
  };
  if (join_gate_)
    join_gate_(adopted.incarnation != 0, join);
  else
    join();
}

// The guest runs, but no word of it counts: it is over for the cluster. Met again, by its arena's
// words, it is told that it is excluded, if it can still hear.
void Daemon::Distrust(const std::string& why) {
  spdlog::error("{}; this life of the node ends. If it does not restart, restart its QEMU", why);
  if (link_ != nullptr)
    link_->Detach();
  ForgetGuest(why);
  constexpr std::uint64_t kMeetAgainNs = 2'000'000'000;
  meet_again_ns_ = clock_.NowNs() + kMeetAgainNs;
}

void Daemon::OnGone() {
  spdlog::info("QEMU has closed the link");
  ForgetGuest("QEMU is gone");
}

void Daemon::ForgetGuest(const std::string& why) {
  if (membership_ != nullptr && guest_ != Guest::kDown)
    membership_->Leave(why);
  bool was_up = guest_ == Guest::kUp;
  guest_ = Guest::kDown;
  CloseTransports();
  link_.reset();
  arena_ = nullptr;
  identity_.self.incarnation = 0;
  view_ = {};
  open_again_ns_ = 0;
  over_ = false;
  stood_still_ns_ = 0;
  looked_ns_ = 0;
  ++attached_;
  if (was_up)
    TellGuestHandlers(false);
  loop_.Post([this] { carrier_.Forget(); });  // we may be inside it
}

std::array<std::byte, 16> Daemon::boot_id() const {
  std::array<std::byte, 16> id{};
  if (arena_ != nullptr)
    std::memcpy(id.data(), arena_->header().boot_id, id.size());
  return id;
}

// -- the fabric ---------------------------------------------------------------------------------

bool Daemon::OpenTransports() {
  if (options_.transport == "shm") {
    mapped_ = interconnect::FaultTransport::Around(
        *link_, clock_, options_.seed, [this](interconnect::Events& events) {
          return interconnect::MappedTransport::Create(
              identity_, *arena_, options_.folder + "/fabric.sock", events, clock_);
        });
    if (mapped_ == nullptr) {
      spdlog::error("{}/fabric.sock: {}", options_.folder, std::strerror(errno));
      return false;
    }
    loop_.Watch(mapped_->WaitFd(), EPOLLIN, [](std::uint32_t) {});
  }
  interconnect::UcxOptions ucx;
  ucx.one_sided = options_.one_sided && options_.transport == "ucx";
  if (options_.transport != "ucx")
    ucx.transports = "tcp";
  std::string error;
  ucx_ = interconnect::FaultTransport::Around(
      *link_, clock_, options_.seed, [&](interconnect::Events& events) {
        return interconnect::UcxTransport::Create(identity_, *arena_, ucx, events, clock_, &error);
      });
  for (const auto& [node, fault] : faults_) ApplyFaults(node);
  if (ucx_ == nullptr) {
    spdlog::error("{}", error);
    return mapped_ != nullptr;
  }
  loop_.Watch(ucx_->WaitFd(), EPOLLIN, [](std::uint32_t) {});
  return true;
}

std::vector<interconnect::FaultTransport*> Daemon::transports() {
  std::vector<interconnect::FaultTransport*> all;
  for (const auto* one : {&mapped_, &ucx_}) {
    if (*one != nullptr)
      all.push_back(one->get());
  }
  return all;
}

bool Daemon::SetFault(const std::string& kind, std::uint32_t node, double value, bool done) {
  if (kind == "hold" || kind == "break") {  // of this daemon's life, and once
    bool possible = kind == "hold";
    for (interconnect::FaultTransport* transport : transports()) {
      if (kind == "hold")
        transport->Hold(node);
      else
        possible |= transport->Break(node, static_cast<std::uint32_t>(value), done);
    }
    return possible;
  }
  if (kind == "heal") {
    faults_.erase(node);
    ApplyFaults(node);
    return true;
  }
  Fault& fault = faults_[node];
  if (kind == "cut")
    fault.cut = true;
  else if (kind == "delay")
    fault.delay_ns = static_cast<std::uint64_t>(value * 1'000'000);
  else
    fault.bytes_per_second = static_cast<std::uint64_t>(value * 1'000'000);
  ApplyFaults(node);
  return true;
}

void Daemon::ApplyFaults(std::uint32_t node) {
  const auto fault = faults_.find(node);
  for (interconnect::FaultTransport* transport : transports()) {
    if (fault == faults_.end()) {
      transport->Heal(node);
      continue;
    }
    transport->Delay(node, fault->second.delay_ns);
    transport->Slow(node, fault->second.bytes_per_second);
    if (fault->second.cut)
      transport->Cut(node);
  }
}

void Daemon::CloseTransports() {
  routes_.clear();
  if (mapped_ != nullptr)
    loop_.Unwatch(mapped_->WaitFd());
  if (ucx_ != nullptr)
    loop_.Unwatch(ucx_->WaitFd());
  mapped_.reset();
  ucx_.reset();
}

Transport* Daemon::RouteTo(const MemberNode& member, std::string* address) {
  auto attribute = [&member](const char* name) {
    auto it = member.attributes.find(name);
    return it == member.attributes.end() ? std::string() : it->second;
  };
  if (mapped_ != nullptr && attribute("host") == host_id_ && !attribute("mapped").empty()) {
    *address = attribute("mapped");
    return mapped_.get();
  }
  *address = attribute("ucx");
  return address->empty() ? nullptr : ucx_.get();
}

// -- the cluster --------------------------------------------------------------------------------

void Daemon::OnJoined(const Life& life) {
  if (guest_ != Guest::kJoining)
    return;
  if (life.secret == interconnect::Secret{}) {  // anybody could answer for us
    const std::string why = "a life without a secret";
    membership_->Leave(why);
    return OnExcluded(why);
  }
  identity_.self = {options_.node, life.incarnation};
  identity_.secret = life.secret;
  if (mapped_ != nullptr)
    mapped_->SetIdentity(identity_);
  if (ucx_ != nullptr)
    ucx_->SetIdentity(identity_);
  guest_ = Guest::kUp;
  spdlog::info("joined as {}", identity_.self.Text());
  link_->GoUp(identity_, static_cast<std::uint64_t>(life.lease));
  TellGuestHandlers(true);
  // Most often the view comes after this.
  if (IsMember(identity_.self))
    OnView(ViewOfCluster(view_));
}

void Daemon::OnLease(std::int64_t lease) {
  if (guest_ == Guest::kUp)
    arena_->daemon().lease_id = static_cast<std::uint64_t>(lease);  // for our successor
}

void Daemon::TellGuestHandlers(bool up) {
  for (const auto& handler : on_guest_) handler(up);
}

void Daemon::OnControl(const abi::Frame& frame, std::span<const std::byte> payload) {
  const auto kind = static_cast<abi::ControlKind>(frame.method);
  for (const KindRange& range : control_) {
    if (kind >= range.first && kind <= range.last)
      return range.handler(frame, payload);
  }
}

void Daemon::OnView(const ViewOfCluster& view) {
  view_ = view;
  if (guest_ != Guest::kUp || over_)
    return;  // over: whoever is a member is no peer of this life any more
  std::set<PeerId> members;
  for (const MemberNode& member : view_.members) members.insert(member.id);
  for (auto it = routes_.begin(); it != routes_.end();) {
    if (members.contains(it->first)) {
      ++it;
      continue;
    }
    PeerId gone = it->first;
    it->second->RemovePeer(gone, Status::kNodeDead);
    it = routes_.erase(it);
    spdlog::info("{} has left", gone.Text());
    link_->OnPeerDown({gone.node, gone.incarnation}, Status::kNodeDead);
  }
  for (const MemberNode& member : view_.members) {
    std::string address;
    Transport* transport = member.id == identity_.self ? nullptr : RouteTo(member, &address);
    if (transport == nullptr)
      continue;
    if (routes_.emplace(member.id, transport).second)
      spdlog::info("{} is reached by {}", member.id.Text(), transport->Name());
    transport->AddPeer({member.id, member.secret, address});
  }
  // A view without us is older than our life: who its members are says nothing of who ours are.
  if (members.contains(identity_.self))
    link_->Open();
  TellKernelView();
}

bool Daemon::IsMember(PeerId node) const {
  return std::any_of(view_.members.begin(), view_.members.end(),
                     [node](const MemberNode& one) { return one.id == node; });
}

void Daemon::TellKernelView() {
  static_assert(
      sizeof(abi::Frame) + sizeof(abi::ViewHeader) + view::kMaxNode * sizeof(abi::ViewMember) <=
          abi::kMaxMessage,
      "a whole view fits");
  if (view_.members.size() > view::kMaxNode)
    return spdlog::error("a view of {} members is more than a kernel can be told ({})",
                         view_.members.size(), view::kMaxNode);
  abi::ViewHeader header{view_.epoch, static_cast<std::uint32_t>(view_.members.size()), 0};
  std::vector<std::byte> payload(sizeof header);
  std::memcpy(payload.data(), &header, sizeof header);
  for (const MemberNode& member : view_.members) {
    abi::ViewMember entry{};
    entry.node = member.id.node;
    entry.incarnation = member.id.incarnation;
    interconnect::Secret digest{};
    if (FromHex(member.digest, &digest))
      std::memcpy(entry.digest, digest.data(), sizeof entry.digest);
    auto bytes = std::as_bytes(std::span(&entry, 1));
    payload.insert(payload.end(), bytes.begin(), bytes.end());
  }
  link_->SetViewEpoch(view_.epoch);
  link_->SendToKernel(0, abi::FrameKind::kControl,
                      static_cast<std::uint32_t>(abi::ControlKind::kView), payload);
}

void Daemon::OnExcluded(const std::string& why) {
  spdlog::warn("excluded: {}", why);
  // A life that a daemon before this one has begun may be over before this one has joined; a guest
  // that has had no life yet is not meant.
  if (guest_ != Guest::kUp && (link_ == nullptr || link_->AdoptedIncarnation() == 0))
    return;
  over_ = true;
  for (const auto& [peer, transport] : routes_) transport->RemovePeer(peer, Status::kExcluded);
  routes_.clear();
  link_->SetAuthority(0);
  link_->SendToKernel(0, abi::FrameKind::kControl,
                      static_cast<std::uint32_t>(abi::ControlKind::kExcluded),
                      std::as_bytes(std::span(why)));
}

}  // namespace k42::noded
