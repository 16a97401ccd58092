#include "cluster-services/noded/unserved_requests.h"

#include <sstream>
#include <string>

namespace k42::noded {

using nlohmann::json;

UnservedRequests::UnservedRequests(ControlServer& server, Daemon& daemon) : daemon_(daemon) {
  server.Handle("abi",
                [this](std::shared_ptr<Connection> connection, const json&) { Ask(connection); });
  daemon_.SetControlHandler(abi::ControlKind::kUnservedTell, abi::ControlKind::kUnservedTell,
                            [this](const abi::Frame& frame, std::span<const std::byte> payload) {
                              OnAnswer(frame, payload);
                            });
  daemon_.AddGuestHandler([this](bool up) {
    if (up)
      return;
    std::map<std::uint64_t, std::shared_ptr<Connection>> lost;
    lost.swap(asked_);
    for (auto& [number, connection] : lost) connection->Fail(Status::kNodeDead, "the node is over");
  });
}

void UnservedRequests::Ask(const std::shared_ptr<Connection>& connection) {
  if (daemon_.guest() != Daemon::Guest::kUp)
    return connection->Fail(Status::kUnavailable, "the node is not up");
  const std::uint64_t number = std::uint64_t{daemon_.link()->generation()} << 32 | ++last_;
  asked_[number] = connection;
  connection->on_gone = [this, number] { asked_.erase(number); };
  daemon_.link()->SendToKernel(0, abi::FrameKind::kControl,
                               static_cast<std::uint32_t>(abi::ControlKind::kUnservedAsk), {},
                               number);
}

void UnservedRequests::OnAnswer(const abi::Frame& frame, std::span<const std::byte> payload) {
  const auto found = asked_.find(frame.sequence);
  if (found == asked_.end())
    return;  // the operator has gone
  const std::shared_ptr<Connection> connection = std::move(found->second);
  asked_.erase(found);
  std::istringstream lines(
      std::string(reinterpret_cast<const char*>(payload.data()), payload.size()));
  json calls = json::array();
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::uint64_t count = 0;
    std::uint32_t number = 0;
    std::string program;
    if (words >> count >> number) {
      std::getline(words >> std::ws, program);
      calls.push_back({{"count", count}, {"number", number}, {"program", program}});
    }
  }
  connection->Finish({{"node", daemon_.options().node}, {"calls", calls}});
}

}  // namespace k42::noded
