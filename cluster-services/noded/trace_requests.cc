#include "cluster-services/noded/trace_requests.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace k42::noded {

using control::FrameType;
using nlohmann::json;

namespace {

constexpr long kFollowMs = 20;
constexpr std::size_t kPiece = 256 * 1024;
constexpr std::size_t kEnoughUnsent = 8u << 20;  // a slow reader loses, and is told how much

}  // namespace

TraceRequests::TraceRequests(ControlServer& server, Daemon& daemon)
    : daemon_(daemon), clock_(daemon) {
  server.Handle("trace", [this](std::shared_ptr<Connection> connection, const json& request) {
    const std::string action = request.value("action", "read");
    if (action == "mask")
      return StartMask(connection, request);
    if (action == "read")
      return StartRead(connection, request.value("follow", false));
    connection->Fail(Status::kInvalidArgument, "no such action: " + action);
  });
  daemon_.SetControlHandler(abi::ControlKind::kTraceText, abi::ControlKind::kTraceEnd,
                            [this](const abi::Frame& frame, std::span<const std::byte> payload) {
                              OnMask(frame, payload);
                            });
  daemon_.AddGuestHandler([this](bool up) {
    if (up)
      return;
    std::map<std::uint64_t, Asked> lost;
    lost.swap(asked_);
    for (auto& [number, asked] : lost)
      asked.connection->Fail(Status::kNodeDead, "the node is over");
  });
}

// -- what is recorded ---------------------------------------------------------------------------

void TraceRequests::StartMask(const std::shared_ptr<Connection>& connection, const json& request) {
  if (daemon_.guest() != Daemon::Guest::kUp)
    return connection->Fail(Status::kUnavailable, "the node is not up");
  std::string names;
  for (const std::string& name : request.value("majors", std::vector<std::string>()))
    names += (names.empty() ? "" : ",") + name;
  const std::uint64_t number = std::uint64_t{daemon_.link()->generation()} << 32 | ++last_;
  asked_[number] = {connection, {}};
  connection->on_gone = [this, number] { asked_.erase(number); };
  daemon_.link()->SendToKernel(0, abi::FrameKind::kControl,
                               static_cast<std::uint32_t>(abi::ControlKind::kTraceMask),
                               std::as_bytes(std::span(names)), number);
}

void TraceRequests::OnMask(const abi::Frame& frame, std::span<const std::byte> payload) {
  const auto found = asked_.find(frame.sequence);
  if (found == asked_.end())
    return;  // the operator has gone
  if (static_cast<abi::ControlKind>(frame.method) == abi::ControlKind::kTraceEnd)
    return OnMaskEnd(frame.sequence, payload);
  found->second.text.append(reinterpret_cast<const char*>(payload.data()), payload.size());
}

void TraceRequests::OnMaskEnd(std::uint64_t number, std::span<const std::byte> payload) {
  const Asked asked = std::move(asked_.extract(number).mapped());
  std::int64_t word = 0;
  if (payload.size() >= sizeof word)
    std::memcpy(&word, payload.data(), sizeof word);
  if (static_cast<Status>(word) != Status::kOk)
    return asked.connection->Fail(static_cast<Status>(word),
                                  "the kernel knows no such class of events");
  asked.connection->Finish({{"classes", asked.text}});
}

// -- what was recorded --------------------------------------------------------------------------

void TraceRequests::StartRead(const std::shared_ptr<Connection>& connection, bool follow) {
  auto reading = std::make_shared<Reading>(Reading{connection, GuestTrace(daemon_.memory()), {}});
  auto gone = std::make_shared<bool>(false);
  connection->on_gone = [gone] { *gone = true; };
  clock_.Measure([this, reading, gone, follow] {
    trace::TraceArea area;
    if (*gone)
      return;
    if (!reading->trace.ReadArea(&area))
      return reading->connection->Fail(Status::kUnavailable,
                                       "no trace is found in the node's memory: it is not up");
    reading->connection->Reply({{"node", daemon_.options().node},
                                {"cpus", area.cpus},
                                {"mask", area.mask.load(std::memory_order_relaxed)},
                                {"clock", clock_.Describe(area)}});
    if (follow)
      return Follow(reading);
    Give(*reading, true);
    EndRead(reading);
  });
}

bool TraceRequests::Give(Reading& reading, bool last) {
  std::string chunks;
  if (!reading.trace.Poll(last, &chunks))
    return false;
  for (std::size_t at = 0; at < chunks.size(); at += kPiece)
    reading.connection->Send(FrameType::kOutput, std::string_view(chunks).substr(at, kPiece));
  return true;
}

void TraceRequests::Follow(const std::shared_ptr<Reading>& reading) {
  reading->timer.Reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  itimerspec period{};
  period.it_value.tv_nsec = period.it_interval.tv_nsec = kFollowMs * 1'000'000;
  timerfd_settime(reading->timer.get(), 0, &period, nullptr);
  const int timer = reading->timer.get();
  auto stop = [this, timer] { daemon_.loop().Unwatch(timer); };
  reading->connection->on_gone = stop;
  daemon_.loop().Watch(timer, EPOLLIN, [this, reading, stop](std::uint32_t) {
    std::uint64_t ticks;
    if (read(reading->timer.get(), &ticks, sizeof ticks) != sizeof ticks ||
        reading->connection->Unsent() > kEnoughUnsent || Give(*reading, false))
      return;
    const auto keep = reading;  // the loop lets go of it
    stop();
    EndRead(keep);
  });
}

void TraceRequests::EndRead(const std::shared_ptr<Reading>& reading) {
  constexpr std::uint32_t kSuccess = 0;
  reading->connection->Send(FrameType::kExit,
                            {reinterpret_cast<const char*>(&kSuccess), sizeof kSuccess});
  reading->connection->CloseWhenSent();
}

}  // namespace k42::noded
