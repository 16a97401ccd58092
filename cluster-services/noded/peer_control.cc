#include "cluster-services/noded/peer_control.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "cluster-services/control/places.h"
#include "cluster-services/noded/relay.h"
#include "interconnect/handshake.h"

namespace k42::noded {
namespace {

using control::Frame;
using interconnect::UniqueFd;

// Fixed-size words of a handshake, as they come in.
class Words {
 public:
  enum class State { kMore, kWhole, kGone };
  State Read(int fd, std::size_t wanted) {
    while (bytes_.size() < wanted) {
      std::byte piece[256];
      const ssize_t count =
          recv(fd, piece, std::min(sizeof piece, wanted - bytes_.size()), MSG_DONTWAIT);
      if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return State::kMore;
      if (count <= 0)
        return State::kGone;
      bytes_.insert(bytes_.end(), piece, piece + count);
    }
    return State::kWhole;
  }
  std::vector<std::byte> Take() { return std::exchange(bytes_, {}); }

 private:
  std::vector<std::byte> bytes_;
};

// Small enough for an empty socket's buffer, always.
template <typename T>
bool SendWhole(int fd, const T& value) {
  return send(fd, &value, sizeof value, MSG_DONTWAIT | MSG_NOSIGNAL) ==
         static_cast<ssize_t>(sizeof value);
}

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

std::optional<Address> Resolve(const std::string& address, bool numeric) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos)
    return {};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = numeric ? AI_NUMERICHOST | AI_NUMERICSERV : 0;
  addrinfo* found = nullptr;
  if (getaddrinfo(address.substr(0, colon).c_str(), address.substr(colon + 1).c_str(), &hints,
                  &found) != 0)
    return {};
  Address result;
  result.size = found->ai_addrlen;
  std::memcpy(&result.storage, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return result;
}

// What this host is called by whoever is at `endpoint`; a datagram socket's route says it.
std::optional<Address> OwnAddress(const std::string& endpoint) {
  std::optional<Address> there = Resolve(endpoint, false);
  if (!there)
    return {};
  UniqueFd probe(socket(there->storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  Address own;
  own.size = sizeof own.storage;
  if (!probe || connect(probe.get(), there->get(), there->size) != 0 ||
      getsockname(probe.get(), own.get(), &own.size) != 0)
    return {};
  return own;
}

void SetPort(Address& address, std::uint16_t port) {
  if (address.storage.ss_family == AF_INET)
    reinterpret_cast<sockaddr_in&>(address.storage).sin_port = htons(port);
  else
    reinterpret_cast<sockaddr_in6&>(address.storage).sin6_port = htons(port);
}

std::string Text(Address& address) {
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (getnameinfo(address.get(), address.size, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return {};
  return std::string(host) + ":" + port;
}

// Sends at once, and breaks when the other host is silent for about ten seconds.
void Prepare(int fd) {
  const auto set = [fd](int level, int option, int value) {
    setsockopt(fd, level, option, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 4);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 2);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 10'000);
}

}  // namespace

struct PeerControl::Incoming {
  UniqueFd socket;
  interconnect::Acceptor acceptor;
  std::uint64_t deadline_ns = 0;
  interconnect::PeerId peer;  // as it says, until it has proved that
  Words words;
  bool greeted = false;
};

struct PeerControl::Outgoing {
  UniqueFd socket;
  interconnect::Initiator initiator;
  std::shared_ptr<Connection> connection;
  std::vector<Frame> frames;  // the request, and what has come behind it
  std::string name;
  interconnect::PeerId peer;
  std::uint64_t deadline_ns = 0;
  Words words;
  bool greeted = false;
};

PeerControl::PeerControl(ControlServer& server, Daemon& daemon) : server_(server), daemon_(daemon) {
  server_.SetRelay([this](const auto& connection, const std::string& node, const Frame& request) {
    return Relay(connection, node, request);
  });
}

PeerControl::~PeerControl() {
  server_.SetRelay(nullptr);
  while (!unproved_.empty()) Drop(unproved_.front());
  if (listener_)
    daemon_.loop().Unwatch(listener_.get());
}

const MemberNode* PeerControl::Member(std::uint32_t node) const {
  for (const MemberNode& member : daemon_.view().members) {
    if (member.id.node == node)
      return &member;
  }
  return nullptr;
}

// -- requests from other nodes ------------------------------------------------------------------

bool PeerControl::Listen(const std::string& endpoints, std::string* error) {
  const std::string first = endpoints.substr(0, endpoints.find(','));
  std::optional<Address> own = OwnAddress(first.empty() ? "127.0.0.1:1" : first);
  if (!own) {
    *error = "no way to " + first;
    return false;
  }
  SetPort(*own, 0);
  listener_ =
      UniqueFd(socket(own->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener_ || bind(listener_.get(), own->get(), own->size) != 0 ||
      listen(listener_.get(), static_cast<int>(kMostUnproved)) != 0 ||
      getsockname(listener_.get(), own->get(), &own->size) != 0) {
    *error = std::strerror(errno);
    return false;
  }
  daemon_.SetAttribute("control", Text(*own));
  daemon_.loop().Watch(listener_.get(), EPOLLIN, [this](std::uint32_t) { Accept(); });
  return true;
}

void PeerControl::Accept() {
  UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket)
    return;
  if (unproved_.size() >= kMostUnproved)
    Drop(unproved_.front());
  Prepare(socket.get());
  const int fd = socket.get();
  auto one = std::make_shared<Incoming>(Incoming{std::move(socket),
                                                 interconnect::Acceptor(daemon_.identity()),
                                                 daemon_.NowNs() + kHandshakeNs,
                                                 {},
                                                 {}});
  unproved_.push_back(one);
  daemon_.loop().Watch(fd, EPOLLIN, [this, one](std::uint32_t) { OnIncoming(one); });
}

void PeerControl::Drop(const std::shared_ptr<Incoming>& one) {
  const auto keep = one;  // `one` may be the handler's or the list's own
  daemon_.loop().Unwatch(keep->socket.get());
  std::erase(unproved_, keep);
}

void PeerControl::OnIncoming(const std::shared_ptr<Incoming>& incoming) {
  const auto one = incoming;
  const std::size_t wanted =
      one->greeted ? sizeof(interconnect::Confirm) : sizeof(interconnect::Hello);
  switch (one->words.Read(one->socket.get(), wanted)) {
    case Words::State::kMore:
      return;
    case Words::State::kGone:
      return Drop(one);
    case Words::State::kWhole:
      break;
  }
  const std::vector<std::byte> bytes = one->words.Take();
  if (!one->greeted) {
    interconnect::Hello hello{};
    interconnect::Welcome welcome{};
    if (interconnect::ParseHello(bytes, &hello) != Status::kOk)
      return Drop(one);
    const MemberNode* member = Member(hello.sender_node);
    if (member == nullptr || member->id != hello.Sender() ||
        one->acceptor.OnHello(hello, {member->id, member->secret, {}}, &welcome) != Status::kOk ||
        !SendWhole(one->socket.get(), welcome)) {
      spdlog::warn("{} asks for control and is not let in", hello.Sender().Text());
      return Drop(one);
    }
    one->greeted = true;
    one->peer = member->id;
    return;
  }
  const bool proved = one->acceptor.OnConfirm(bytes) == Status::kOk;
  Drop(one);
  if (proved)
    relayed_.push_back({one->peer, server_.Adopt(std::move(one->socket), {{}, true}), {}});
}

// -- requests for other nodes -------------------------------------------------------------------

bool PeerControl::Relay(const std::shared_ptr<Connection>& connection, const std::string& node,
                        const Frame& request) {
  const std::uint32_t number = control::NodeNumber(node);
  if (node.empty() || number == daemon_.options().node)
    return false;
  const MemberNode* member = Member(number);
  const auto fail = [&](Status status, const std::string& text) {
    connection->Fail(status, text);
    return true;
  };
  if (member == nullptr)
    return fail(Status::kNotInView, "'" + node + "' is no member of the cluster now");
  const auto address = member->attributes.find("control");
  std::optional<Address> there;
  if (address != member->attributes.end())
    there = Resolve(address->second, true);
  if (!there || daemon_.guest() != Daemon::Guest::kUp)
    return fail(Status::kUnavailable, "the daemon of " + node + " cannot be asked from here");
  UniqueFd socket(
      ::socket(there->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket || (connect(socket.get(), there->get(), there->size) != 0 && errno != EINPROGRESS))
    return fail(Status::kUnavailable, "the daemon of " + node + ": " + std::strerror(errno));
  Prepare(socket.get());
  const int fd = socket.get();
  auto one = std::make_shared<Outgoing>(
      Outgoing{std::move(socket),
               interconnect::Initiator(daemon_.identity(), {member->id, member->secret, {}}),
               connection,
               {request},
               node,
               member->id,
               daemon_.NowNs() + kHandshakeNs,
               {}});
  asking_.push_back(one);
  connection->PauseReading(true);  // until there is somebody to read to
  connection->on_frame = [weak = std::weak_ptr(one)](const Frame& frame) {
    if (auto live = weak.lock())
      live->frames.push_back(frame);
  };
  connection->on_gone = [&loop = daemon_.loop(), weak = std::weak_ptr(one)] {
    if (auto live = weak.lock(); live && live->socket)
      loop.Unwatch(live->socket.get());
  };
  daemon_.loop().Watch(fd, EPOLLOUT,
                       [this, one](std::uint32_t events) { OnOutgoing(one, events); });
  return true;
}

void PeerControl::OnOutgoing(const std::shared_ptr<Outgoing>& outgoing, std::uint32_t) {
  const auto one = outgoing;
  const auto fail = [&](const std::string& why) { Fail(one, why); };
  if (!one->greeted) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(one->socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0)
      return fail(std::string("does not answer: ") + std::strerror(error));
    one->greeted = true;
    if (!SendWhole(one->socket.get(), one->initiator.Start()))
      return fail("does not listen");
    return daemon_.loop().Change(one->socket.get(), EPOLLIN);
  }
  switch (one->words.Read(one->socket.get(), sizeof(interconnect::Welcome))) {
    case Words::State::kMore:
      return;
    case Words::State::kGone:
      return fail("does not let us in");
    case Words::State::kWhole:
      break;
  }
  interconnect::Confirm confirm{};
  if (one->initiator.OnWelcome(one->words.Take(), &confirm) != Status::kOk)
    return fail("is not who it says");
  if (!SendWhole(one->socket.get(), confirm))
    return fail("does not listen");
  daemon_.loop().Unwatch(one->socket.get());
  Join(one);
}

void PeerControl::Fail(const std::shared_ptr<Outgoing>& one, const std::string& why) {
  daemon_.loop().Unwatch(one->socket.get());
  one->connection->on_gone = nullptr;
  one->connection->Fail(Status::kUnavailable, "the daemon of " + one->name + " " + why);
}

void PeerControl::Join(const std::shared_ptr<Outgoing>& one) {
  const auto peer = Connection::Serve(daemon_.loop(), std::move(one->socket));
  JoinConnections(one->connection, peer);
  relayed_.push_back({one->peer, peer, one->connection});
  for (const Frame& frame : one->frames) peer->Send(frame.type, frame.payload);
  one->connection->PauseReading(false);
}

// -- time ---------------------------------------------------------------------------------------

void PeerControl::Serve() {
  const std::uint64_t now = daemon_.NowNs();
  if (now < next_look_ns_)
    return;
  next_look_ns_ = now + kLookNs;
  while (!unproved_.empty() && unproved_.front()->deadline_ns <= now) Drop(unproved_.front());
  // What ends takes itself away: the rest is swept.
  const auto asking = asking_;
  for (const auto& weak : asking) {
    if (const auto one = weak.lock(); one != nullptr && one->socket && one->deadline_ns <= now)
      Fail(one, "does not answer");
  }
  std::erase_if(asking_, [](const auto& one) { return one.expired(); });
  // Without a view of our own nobody is known to have left.
  if (!daemon_.view().members.empty()) {
    for (Relayed& one : relayed_) LookAt(one, now);
  }
  std::erase_if(relayed_, [](const Relayed& one) { return one.connection.expired(); });
}

void PeerControl::LookAt(Relayed& one, std::uint64_t now) {
  const MemberNode* member = Member(one.peer.node);
  if (member != nullptr && member->id == one.peer)
    return;
  if (one.left_ns == 0)
    one.left_ns = now;
  if (now - one.left_ns < kLastWordsNs)
    return;
  if (const auto client = one.client.lock())
    client->Fail(Status::kNodeDead,
                 "n" + std::to_string(one.peer.node) + " is no member of the cluster any more");
  if (const auto connection = one.connection.lock())
    connection->Close();
}

}  // namespace k42::noded
