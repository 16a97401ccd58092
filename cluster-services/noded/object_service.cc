#include "cluster-services/noded/object_service.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cstring>

#include "interconnect/clock.h"

namespace k42::noded {
namespace {

using nlohmann::json;

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kMaxBudgetNs = 600 * kSecond;
constexpr std::uint64_t kGraceNs = 2 * kSecond;  // for an answer on its way
constexpr std::size_t kMaxName = 64;

std::uint64_t Now() {
  return interconnect::MonotonicClock().NowNs();
}

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

std::uint64_t BudgetOf(const json& request) {
  const auto wanted = request.value("budget_ms", std::uint64_t{5000});
  return std::min(wanted, kMaxBudgetNs / 1'000'000) * 1'000'000;
}

const std::map<std::string, abi::ObjectAction> kActions = {
    {"make", abi::ObjectAction::kMake}, {"remove", abi::ObjectAction::kRemove},
    {"swap", abi::ObjectAction::kSwap}, {"add", abi::ObjectAction::kAdd},
    {"read", abi::ObjectAction::kRead}, {"arrive", abi::ObjectAction::kArrive},
    {"wait", abi::ObjectAction::kWait}};
// As global/object_host.idl numbers them.
const std::map<std::string, std::uint32_t> kClasses = {{"counter", 1}, {"barrier", 2}};

// What the kernel's word means here.
std::string Sentence(Status status) {
  switch (status) {
    case Status::kNotFound:
      return "there is no such object";
    case Status::kAlreadyExists:
      return "there is one of that name";
    case Status::kNodeDead:
      return "its home is dead; the call was not made";
    case Status::kUnknown:
      return "its home died or was lost meanwhile; perhaps the call was executed";
    case Status::kTimedOut:
      return "not by the deadline; perhaps the call was executed";
    case Status::kUnavailable:
      return "the node cannot decide for the cluster now; try again";
    case Status::kVersionMismatch:
      return "its home runs another version of the class";
    case Status::kInvalidArgument:
      return "name, class or number is refused";
    case Status::kNotSupported:
      return "the object, or this cluster, cannot do that";
    case Status::kDeleted:
      return "it has been removed";
    case Status::kBusy:
      return "another request of the kind is going on";
    case Status::kNotInView:
      return "that node is no member";
    default:
      return "the node refuses";
  }
}

}  // namespace

ObjectService::ObjectService(ControlServer& server, Daemon& daemon)
    : daemon_(daemon), timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  server.Handle("object", [this](std::shared_ptr<Connection> connection, const json& request) {
    StartObject(std::move(connection), request);
  });
  server.Handle("ping", [this](std::shared_ptr<Connection> connection, const json& request) {
    StartPing(std::move(connection), request);
  });
  const auto answer = [this](const abi::Frame& frame, std::span<const std::byte> payload) {
    OnAnswer(frame, payload);
  };
  daemon_.SetControlHandler(abi::ControlKind::kObjectAnswer, abi::ControlKind::kObjectAnswer,
                            answer);
  daemon_.SetControlHandler(abi::ControlKind::kPingAnswer, abi::ControlKind::kPingAnswer, answer);
  daemon_.AddGuestHandler([this](bool up) {
    std::map<std::uint64_t, Asked> lost;
    if (!up)
      lost.swap(asked_);
    for (auto& [number, one] : lost)
      one.connection->Fail(Status::kNodeDead, "the node is over; perhaps the call was executed");
  });
  daemon_.loop().Watch(timer_.get(), EPOLLIN, [this](std::uint32_t) { OnTimer(); });
}

void ObjectService::StartObject(std::shared_ptr<Connection> connection, const json& request) {
  const auto action = kActions.find(request.value("action", ""));
  const auto kind = kClasses.find(request.value("class", "counter"));
  const std::string name = request.value("name", "");
  if (action == kActions.end() || kind == kClasses.end() || name.size() > kMaxName)
    return connection->Fail(Status::kInvalidArgument, "no such action, class or name");
  abi::ObjectRequest head{};
  head.action = action->second;
  head.kind = kind->second;
  head.name_size = static_cast<std::uint32_t>(name.size());
  head.argument = request.value("argument", std::uint64_t{0});
  head.budget_ns = BudgetOf(request);
  std::vector<std::byte> payload(sizeof head + name.size());
  std::memcpy(payload.data(), &head, sizeof head);
  std::memcpy(payload.data() + sizeof head, name.data(), name.size());
  Ask(std::move(connection), abi::ControlKind::kObjectRequest, payload, head.budget_ns);
}

void ObjectService::StartPing(std::shared_ptr<Connection> connection, const json& request) {
  abi::PingRequest head{};
  head.node = request.value("peer", 0u);
  static const std::map<std::string, abi::PingWay> kWays = {
      {"echo", abi::PingWay::kEcho}, {"call", abi::PingWay::kCall},
      {"put", abi::PingWay::kPut},   {"store", abi::PingWay::kStore},
      {"load", abi::PingWay::kLoad}, {"stream", abi::PingWay::kStream}};
  const std::string name = request.value("way", "echo");
  const auto way = kWays.find(name);
  if (way == kWays.end())
    return connection->Fail(Status::kInvalidArgument, "no such way: " + name);
  head.way = way->second;
  head.count = request.value("count", 100u);
  head.size = request.value("size", 64u);
  head.budget_ns = BudgetOf(request);
  Ask(std::move(connection), abi::ControlKind::kPingRequest, BytesOf(head), head.budget_ns);
}

void ObjectService::Ask(std::shared_ptr<Connection> connection, abi::ControlKind kind,
                        std::span<const std::byte> payload, std::uint64_t budget_ns) {
  if (daemon_.guest() != Daemon::Guest::kUp)
    return connection->Fail(Status::kUnavailable, "the node is not up");
  const std::uint64_t number = std::uint64_t{daemon_.link()->generation()} << 32 | ++last_;
  connection->on_gone = [this, number] { asked_.erase(number); };
  asked_[number] = {std::move(connection), Now() + budget_ns + kGraceNs};
  daemon_.link()->SendToKernel(0, abi::FrameKind::kControl, static_cast<std::uint32_t>(kind),
                               payload, number);
  const itimerspec each_second{{1, 0}, {1, 0}};
  timerfd_settime(timer_.get(), 0, &each_second, nullptr);
}

void ObjectService::OnAnswer(const abi::Frame& frame, std::span<const std::byte> payload) {
  const auto found = asked_.find(frame.sequence);
  if (found == asked_.end())
    return;
  const std::shared_ptr<Connection> connection = found->second.connection;
  asked_.erase(found);
  const bool ping = frame.method == static_cast<std::uint32_t>(abi::ControlKind::kPingAnswer);
  abi::PingAnswer times{};
  abi::ObjectAnswer answer{};
  if (payload.size() != (ping ? sizeof times : sizeof answer))
    return connection->Fail(Status::kCorrupt, "the kernel's answer makes no sense");
  std::memcpy(ping ? static_cast<void*>(&times) : &answer, payload.data(), payload.size());
  const auto status = static_cast<Status>(ping ? times.status : answer.status);
  if (status != Status::kOk)
    return connection->Fail(status, Sentence(status) + " (" + StatusName(status) + ")");
  if (ping)
    return connection->Finish(
        {{"least_ns", times.least_ns}, {"median_ns", times.median_ns}, {"most_ns", times.most_ns}});
  connection->Finish({{"value", answer.value}});
}

void ObjectService::OnTimer() {
  std::uint64_t ticks = 0;
  (void)!read(timer_.get(), &ticks, sizeof ticks);
  std::vector<std::shared_ptr<Connection>> late;
  for (auto it = asked_.begin(); it != asked_.end();) {
    if (it->second.late_ns > Now()) {
      ++it;
      continue;
    }
    late.push_back(std::move(it->second.connection));
    it = asked_.erase(it);
  }
  for (const auto& connection : late)
    connection->Fail(Status::kTimedOut, "the node does not answer; perhaps the call was executed");
  if (!asked_.empty())
    return;
  const itimerspec never{};
  timerfd_settime(timer_.get(), 0, &never, nullptr);
}

}  // namespace k42::noded
