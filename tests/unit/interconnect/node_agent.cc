#include "unit/interconnect/node_agent.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>

#include "unit/interconnect/test_kinds.h"

namespace k42::interconnect {

enum class OrderKind : std::uint32_t {
  // answered:
  kStart,   // text: kind of transport. Value: process id; answer: data offset, address
  kSignal,  // words: process, signal
  kStep,
  kRead,
  kOpen,
  kWrite,
  kClose,
  kKeep,
  kAddPeer,
  kRemovePeer,
  // not answered, since their completions are:
  kSubmit,
  kRevoke,
};

struct RemoteNode::Order {
  OrderKind kind;
  std::uint32_t text_size = 0;
  Request request{};  // its deadline is what is left of it: clocks are not compared
  LocalIdentity identity{};
  PeerId peer{};
  Secret secret{};
  std::uint64_t words[3] = {};
};

namespace {

struct Reply {
  std::uint64_t value = 0;
  std::uint64_t text_size = 0;
  std::uint64_t events = 0;
};

enum class EventKind : std::uint32_t { kMessage, kNotify, kCompletion, kDown };
struct Event {
  EventKind kind;
  abi::Channel channel{};
  std::uint32_t cpu = 0;
  std::uint64_t word = 0;
  PeerId peer{};
  Completion completion{};
  std::uint64_t text_size = 0;
};

bool SendAll(int socket, const void* data, std::size_t size) {
  const auto* at = static_cast<const char*>(data);
  while (size != 0) {
    const ssize_t sent = send(socket, at, size, MSG_NOSIGNAL);
    if (sent <= 0)
      return false;
    at += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

bool ReceiveAll(int socket, void* data, std::size_t size) {
  return size == 0 || recv(socket, data, size, MSG_WAITALL) == static_cast<ssize_t>(size);
}

bool ReceiveText(int socket, std::size_t size, std::string* text) {
  text->resize(size);
  return ReceiveAll(socket, text->data(), size);
}

std::unique_ptr<Kind> KindOf(const std::string& name) {
  if (name == "mapped")
    return MakeMappedKind();
  if (name == "ucx")
    return MakeUcxKind();
  return MakeUcxRdmaKind();
}

char StateOf(std::uint64_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string text;
  std::getline(file, text);
  const std::size_t end = text.rfind(')');
  return end == std::string::npos || end + 2 >= text.size() ? '?' : text[end + 2];
}

}  // namespace

// -- the test's end -----------------------------------------------------------------------------

RemoteNode::RemoteNode(const LocalIdentity& as, const Clock& clock, const Agents& agents)
    : TestNode(as), clock_(clock), agents_(agents), connection_(agents.Connect()) {
  Order order{.kind = OrderKind::kStart};
  order.identity = as;
  std::string answer;
  pid_ = Ask(order, agents.KindName(), &answer);
  if (answer.size() < sizeof data_)
    return;
  std::memcpy(&data_, answer.data(), sizeof data_);
  address_ = answer.substr(sizeof data_);
}

RemoteNode::~RemoteNode() {
  if (stopped_)
    Continue();
  connection_.socket.Reset();
  if (connection_.child != 0)
    waitpid(connection_.child, nullptr, 0);
}

void RemoteNode::Give(const Order& order, const std::string& text) {
  Order sent = order;
  sent.text_size = static_cast<std::uint32_t>(text.size());
  EXPECT_TRUE(SendAll(connection_.socket.get(), &sent, sizeof sent) &&
              SendAll(connection_.socket.get(), text.data(), text.size()))
      << "the agent of node " << id().Text() << " has gone";
}

std::uint64_t RemoteNode::Ask(const Order& order, const std::string& text, std::string* answer) {
  Give(order, text);
  const int socket = connection_.socket.get();
  Reply reply;
  std::string ignored;
  bool fine = ReceiveAll(socket, &reply, sizeof reply) &&
              ReceiveText(socket, reply.text_size, answer == nullptr ? &ignored : answer);
  for (std::uint64_t i = 0; fine && i < reply.events; ++i) {
    Event event{};
    std::string body;
    fine = ReceiveAll(socket, &event, sizeof event) && ReceiveText(socket, event.text_size, &body);
    if (!fine)
      break;
    switch (event.kind) {
      case EventKind::kMessage:
        recorder.messages.push_back({event.peer, event.channel, event.cpu, body});
        break;
      case EventKind::kNotify:
        recorder.notifications.push_back({event.channel, event.word, body});
        break;
      case EventKind::kCompletion:
        recorder.ended.push_back(event.completion);
        break;
      case EventKind::kDown:
        recorder.down.push_back(event.peer);
        break;
    }
  }
  EXPECT_TRUE(fine) << "the agent of node " << id().Text() << " has gone";
  return reply.value;
}

void RemoteNode::Write(std::uint64_t offset, const std::string& text) {
  Order order{.kind = OrderKind::kWrite};
  order.words[0] = offset;
  Ask(order, text);
}
std::string RemoteNode::Read(std::uint64_t offset, std::size_t size) {
  Order order{.kind = OrderKind::kRead};
  order.words[0] = offset;
  order.words[1] = size;
  std::string answer;
  Ask(order, {}, &answer);
  return answer;
}
abi::WindowId RemoteNode::Open(std::uint32_t index, std::uint64_t offset, std::uint64_t size,
                               std::uint32_t access, PeerId only) {
  Order order{.kind = OrderKind::kOpen};
  order.request.receiver_cpu = index;
  order.request.length = access;
  order.peer = only;
  order.words[0] = offset;
  order.words[1] = size;
  return Ask(order);
}
void RemoteNode::CloseWindow(std::uint32_t index) {
  Order order{.kind = OrderKind::kClose};
  order.words[0] = index;
  Ask(order);
}
void RemoteNode::KeepOnNotify(std::size_t size) {
  Order order{.kind = OrderKind::kKeep};
  order.words[0] = size;
  Ask(order);
}
void RemoteNode::Submit(const Request& request) {
  Order order{.kind = OrderKind::kSubmit};
  order.request = request;
  if (request.deadline_ns != 0) {
    const std::uint64_t now = clock_.NowNs();
    order.request.deadline_ns = request.deadline_ns > now ? request.deadline_ns - now : 1;
  }
  Give(order);
}
void RemoteNode::AddPeer(const PeerInfo& peer) {
  Order order{.kind = OrderKind::kAddPeer};
  order.peer = peer.id;
  order.secret = peer.secret;
  Ask(order, peer.address);
}
void RemoteNode::RemovePeer(PeerId peer, Status why) {
  Order order{.kind = OrderKind::kRemovePeer};
  order.peer = peer;
  order.words[0] = static_cast<std::uint64_t>(why);
  Ask(order);
}
void RemoteNode::RevokeWindow(Token token, abi::WindowId window) {
  Order order{.kind = OrderKind::kRevoke};
  order.words[0] = token;
  order.words[1] = window;
  Give(order);
}
void RemoteNode::Step() {
  if (!stopped_)
    Ask({.kind = OrderKind::kStep});
}

// By an agent of its own: the process may be on another machine.
void RemoteNode::Signal(int number) {
  Agents::Connection other = agents_.Connect();
  Order order{.kind = OrderKind::kSignal};
  order.words[0] = pid_;
  order.words[1] = static_cast<std::uint64_t>(number);
  Reply reply;
  EXPECT_TRUE(SendAll(other.socket.get(), &order, sizeof order) &&
              ReceiveAll(other.socket.get(), &reply, sizeof reply));
  EXPECT_EQ(reply.value, 1u) << "signal " << number << " did not do what it should";
  other.socket.Reset();
  if (other.child != 0)
    waitpid(other.child, nullptr, 0);
}
void RemoteNode::Stop() {
  stopped_ = true;
  Signal(SIGSTOP);
}
void RemoteNode::Continue() {
  Signal(SIGCONT);
  stopped_ = false;
}

// -- the agent's end ----------------------------------------------------------------------------

class Agent {
 public:
  explicit Agent(int socket) : socket_(socket) {}

  int Run() {
    for (;;) {
      pollfd ready[2] = {{socket_, POLLIN, 0}, {-1, POLLIN, 0}};
      bool sleep = true;
      if (node_.has_value()) {
        node_->Step();
        ready[1].fd = node_->transport->WaitFd();
        sleep = node_->transport->Arm();
      }
      constexpr int kTimerMs = 5;  // deadlines and new attempts
      poll(ready, 2, !sleep ? 0 : node_.has_value() ? kTimerMs : -1);
      if (ready[0].revents != 0 && !Serve())
        return 0;
    }
  }

 private:
  using Order = RemoteNode::Order;

  bool Serve() {
    Order order;
    std::string text;
    if (!ReceiveAll(socket_, &order, sizeof order) || !ReceiveText(socket_, order.text_size, &text))
      return false;
    std::string answer;
    Reply reply;
    reply.value = Perform(order, text, &answer);
    if (order.kind >= OrderKind::kSubmit)
      return true;
    std::string events;
    if (node_.has_value())
      reply.events = TakeEvents(&events);
    reply.text_size = answer.size();
    return SendAll(socket_, &reply, sizeof reply) &&
           SendAll(socket_, answer.data(), answer.size()) &&
           SendAll(socket_, events.data(), events.size());
  }

  std::uint64_t Perform(const Order& order, const std::string& text, std::string* answer) {
    switch (order.kind) {
      case OrderKind::kStart: {
        kind_ = KindOf(text);
        node_.emplace(order.identity, *kind_);
        if (node_->transport == nullptr)
          std::exit(1);
        const std::uint64_t data = node_->data();
        answer->assign(reinterpret_cast<const char*>(&data), sizeof data);
        *answer += node_->address();
        return static_cast<std::uint64_t>(getpid());
      }
      case OrderKind::kWrite:
        node_->Write(order.words[0], text);
        return 0;
      case OrderKind::kRead:
        *answer = node_->Read(order.words[0], order.words[1]);
        return 0;
      case OrderKind::kOpen:
        return node_->Open(order.request.receiver_cpu, order.words[0], order.words[1],
                           order.request.length, order.peer);
      case OrderKind::kClose:
        node_->CloseWindow(static_cast<std::uint32_t>(order.words[0]));
        return 0;
      case OrderKind::kKeep:
        node_->KeepOnNotify(order.words[0]);
        return 0;
      case OrderKind::kSubmit: {
        Request request = order.request;
        if (request.deadline_ns != 0)
          request.deadline_ns += kind_->clock().NowNs();
        node_->Submit(request);
        return 0;
      }
      case OrderKind::kAddPeer:
        node_->AddPeer({order.peer, order.secret, text});
        return 0;
      case OrderKind::kRemovePeer:
        node_->RemovePeer(order.peer, static_cast<Status>(order.words[0]));
        return 0;
      case OrderKind::kRevoke:
        node_->RevokeWindow(order.words[0], order.words[1]);
        return 0;
      case OrderKind::kStep:
        return 0;
      case OrderKind::kSignal:
        return Signal(order.words[0], static_cast<int>(order.words[1])) ? 1 : 0;
    }
    return 0;
  }

  static bool Signal(std::uint64_t process, int number) {
    if (kill(static_cast<pid_t>(process), number) != 0)
      return false;
    for (int i = 0; i < 1000; ++i) {
      if ((StateOf(process) == 'T') == (number == SIGSTOP))
        return true;
      usleep(1000);
    }
    return false;
  }

  std::uint64_t TakeEvents(std::string* bytes) {
    std::uint64_t count = 0;
    auto add = [&](Event event, const std::string& body) {
      event.text_size = body.size();
      bytes->append(reinterpret_cast<const char*>(&event), sizeof event);
      bytes->append(body);
      ++count;
    };
    Recorder& from = node_->recorder;
    for (const ReceivedMessage& one : from.messages)
      add({.kind = EventKind::kMessage, .channel = one.channel, .cpu = one.cpu, .peer = one.from},
          one.text);
    for (const ReceivedNotify& one : from.notifications)
      add({.kind = EventKind::kNotify, .channel = one.channel, .word = one.word}, one.seen);
    for (const Completion& one : from.ended)
      add({.kind = EventKind::kCompletion, .completion = one}, {});
    for (PeerId one : from.down) add({.kind = EventKind::kDown, .peer = one}, {});
    from.messages.clear();
    from.notifications.clear();
    from.ended.clear();
    from.down.clear();
    return count;
  }

  const int socket_;
  std::unique_ptr<Kind> kind_;
  std::optional<LocalNode> node_;
};

int RunAgent(int socket) {
  return Agent(socket).Run();
}

}  // namespace k42::interconnect
