#include "cluster-services/noded/trace_requests.h"

#include <cstring>

namespace k42::noded {

using control::FrameType;
using nlohmann::json;

TraceRequests::TraceRequests(ControlServer& server, Daemon& daemon) : daemon_(daemon) {
  server.Handle("trace", [this](std::shared_ptr<Connection> connection, const json& request) {
    Start(connection, request);
  });
  daemon_.SetControlHandler(abi::ControlKind::kTraceText, abi::ControlKind::kTraceEnd,
                            [this](const abi::Frame& frame, std::span<const std::byte> payload) {
                              OnControl(frame, payload);
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

void TraceRequests::Start(const std::shared_ptr<Connection>& connection, const json& request) {
  const std::string action = request.value("action", "dump");
  if (action != "dump" && action != "mask")
    return connection->Fail(Status::kInvalidArgument, "no such action: " + action);
  if (daemon_.guest() != Daemon::Guest::kUp)
    return connection->Fail(Status::kUnavailable, "the node is not up");
  std::string names;
  for (const std::string& name : request.value("majors", std::vector<std::string>()))
    names += (names.empty() ? "" : ",") + name;
  const std::uint64_t number = std::uint64_t{daemon_.link()->generation()} << 32 | ++last_;
  asked_[number] = {connection, action == "dump", {}};
  connection->on_gone = [this, number] { asked_.erase(number); };
  const auto kind = action == "dump" ? abi::ControlKind::kTraceDump : abi::ControlKind::kTraceMask;
  daemon_.link()->SendToKernel(0, abi::FrameKind::kControl, static_cast<std::uint32_t>(kind),
                               std::as_bytes(std::span(names)), number);
}

void TraceRequests::OnControl(const abi::Frame& frame, std::span<const std::byte> payload) {
  const auto found = asked_.find(frame.sequence);
  if (found == asked_.end())
    return;  // the operator has gone
  if (static_cast<abi::ControlKind>(frame.method) == abi::ControlKind::kTraceEnd)
    return OnEnd(frame.sequence, payload);
  const std::string_view text(reinterpret_cast<const char*>(payload.data()), payload.size());
  if (!found->second.dump)
    found->second.text += text;
  else
    std::shared_ptr(found->second.connection)->Send(FrameType::kOutput, text);
}

void TraceRequests::OnEnd(std::uint64_t number, std::span<const std::byte> payload) {
  const Asked asked = std::move(asked_.extract(number).mapped());
  std::int64_t word = 0;
  if (payload.size() >= sizeof word)
    std::memcpy(&word, payload.data(), sizeof word);
  const auto status = static_cast<Status>(word);
  if (status == Status::kBusy)
    return asked.connection->Fail(status, "somebody else reads the node's trace; try again");
  if (status != Status::kOk)
    return asked.connection->Fail(status, "the kernel knows no such class of events");
  if (!asked.dump)
    return asked.connection->Finish({{"classes", asked.text}});
  constexpr std::uint32_t kSuccess = 0;
  asked.connection->Send(FrameType::kExit,
                         {reinterpret_cast<const char*>(&kSuccess), sizeof kSuccess});
  asked.connection->CloseWhenSent();
}

}  // namespace k42::noded
