#include "cluster-services/noded/run_service.h"

#include <algorithm>
#include <cstring>

namespace k42::noded {
namespace {

using control::FrameType;
using nlohmann::json;

constexpr std::size_t kMuchUnsent = 256 * 1024;

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

// A little-endian word at the front of a frame or a payload; 0 if it is not there.
std::uint32_t Word(const void* data, std::size_t size, std::size_t index = 0) {
  std::uint32_t word = 0;
  if (size >= (index + 1) * sizeof word)
    std::memcpy(&word, static_cast<const char*>(data) + index * sizeof word, sizeof word);
  return word;
}

// The words the kernel starts: the program itself, or env with what the request wants.
std::string Words(const json& request) {
  std::string words;
  auto add = [&words](const std::string& word) { words += word + '\0'; };
  auto arguments = request.at("argv").get<std::vector<std::string>>();
  auto environment = request.value("env", std::vector<std::string>());
  std::string folder = request.value("cwd", "");
  const std::string& program = arguments.at(0);
  bool native = program.starts_with("native:");  // an image of the kernel's own; takes words only
  bool plain = native || (environment.empty() && folder.empty() && program.starts_with("/"));
  if (!plain) {
    add("/usr/bin/env");
    if (!folder.empty())
      add("--chdir=" + folder);
    for (const std::string& variable : environment) add(variable);
  }
  for (const std::string& argument : arguments) add(argument);
  return words;
}

}  // namespace

RunService::RunService(ControlServer& server, Daemon& daemon) : daemon_(daemon) {
  server.Handle("run", [this](std::shared_ptr<Connection> connection, const json& request) {
    Start(std::move(connection), request);
  });
  daemon_.SetControlHandler(abi::ControlKind::kRunStart, abi::ControlKind::kRunCredit,
                            [this](const abi::Frame& frame, std::span<const std::byte> payload) {
                              OnControl(frame, payload);
                            });
  daemon_.AddGuestHandler([this](bool up) { OnGuest(up); });
}

void RunService::Tell(abi::ControlKind kind, std::uint64_t number,
                      std::span<const std::byte> payload) {
  if (daemon_.link() != nullptr)
    daemon_.link()->SendToKernel(0, abi::FrameKind::kControl, static_cast<std::uint32_t>(kind),
                                 payload, number);
}

// -- the operator's side ------------------------------------------------------------------------

void RunService::Start(std::shared_ptr<Connection> connection, const json& request) {
  if (daemon_.guest() != Daemon::Guest::kUp)
    return connection->Fail(Status::kUnavailable, "the node is not up");
  if (request.value("argv", json::array()).empty())
    return connection->Fail(Status::kInvalidArgument, "no program is named");
  std::string words = Words(request);
  constexpr std::size_t kMostWords = abi::kMaxMessage - sizeof(abi::Frame) - sizeof(abi::RunStart);
  if (words.size() > kMostWords)
    return connection->Fail(Status::kMessageTooLong, "arguments and environment are too long");

  std::uint64_t number = std::uint64_t{daemon_.link()->generation()} << 32 | ++last_;
  abi::RunStart start{};
  start.terminal = request.value("terminal", false) ? 1 : 0;
  start.rows = request.value("rows", 0u);
  start.columns = request.value("columns", 0u);
  auto header = BytesOf(start);
  std::vector<std::byte> payload(header.begin(), header.end());
  auto text = std::as_bytes(std::span(words));
  payload.insert(payload.end(), text.begin(), text.end());

  runs_[number].connection = connection;
  connection->on_frame = [this, number](const control::Frame& frame) { OnFrame(number, frame); };
  connection->on_gone = [this, number] { OnGone(number); };
  connection->on_drained = [this, number] {
    if (auto it = runs_.find(number); it != runs_.end())
      GiveCredit(number, it->second);
  };
  Tell(abi::ControlKind::kRunStart, number, payload);
}

void RunService::OnFrame(std::uint64_t number, const control::Frame& frame) {
  auto it = runs_.find(number);
  if (it == runs_.end())
    return;
  Run& run = it->second;
  switch (frame.type) {
    case FrameType::kInput:
      run.input += frame.payload;
      run.input_ends |= frame.payload.empty();
      SendInput(number, run);
      return run.connection->PauseReading(run.input.size() > kMuchUnsent);
    case FrameType::kSignal: {
      std::uint32_t signal = Word(frame.payload.data(), frame.payload.size());
      return Tell(abi::ControlKind::kRunSignal, number, BytesOf(signal));
    }
    case FrameType::kWindow:
      return Tell(abi::ControlKind::kRunSize, number, std::as_bytes(std::span(frame.payload)));
    default:
      return;
  }
}

// A launcher that died must not leave its job behind.
void RunService::OnGone(std::uint64_t number) {
  if (runs_.erase(number) != 0)
    Tell(abi::ControlKind::kRunAbandon, number);
}

void RunService::SendInput(std::uint64_t number, Run& run) {
  while (!run.input.empty() && run.credit != 0) {
    std::size_t size = std::min<std::size_t>({run.input.size(), run.credit, abi::kRunPiece});
    Tell(abi::ControlKind::kRunInput, number, std::as_bytes(std::span(run.input.data(), size)));
    run.input.erase(0, size);
    run.credit -= static_cast<std::uint32_t>(size);
  }
  if (run.input.empty() && run.input_ends && !run.input_ended) {
    run.input_ended = true;
    Tell(abi::ControlKind::kRunInput, number);
  }
}

void RunService::GiveCredit(std::uint64_t number, Run& run) {
  for (std::uint32_t stream : {1u, 2u}) {
    if (run.owed[stream] == 0)
      continue;
    std::uint32_t credit[2] = {stream, std::exchange(run.owed[stream], 0)};
    Tell(abi::ControlKind::kRunCredit, number, BytesOf(credit));
  }
}

// -- the kernel's side --------------------------------------------------------------------------

void RunService::OnControl(const abi::Frame& frame, std::span<const std::byte> payload) {
  auto kind = static_cast<abi::ControlKind>(frame.method);
  std::uint64_t number = frame.sequence;
  auto it = runs_.find(number);
  if (it == runs_.end()) {
    // A predecessor's run, whose operator has lost its connection.
    if (kind == abi::ControlKind::kRunOutput || kind == abi::ControlKind::kRunStarted)
      Tell(abi::ControlKind::kRunAbandon, number);
    return;
  }
  Run& run = it->second;
  std::shared_ptr<Connection> connection = run.connection;
  switch (kind) {
    case abi::ControlKind::kRunStarted: {
      abi::RunStarted started{};
      if (payload.size() >= sizeof started)
        std::memcpy(&started, payload.data(), sizeof started);
      auto status = static_cast<Status>(started.status);
      if (std::exchange(run.started, true))
        return Fail(number, "the kernel starts it twice");
      if (status == Status::kOk)
        return connection->Reply({{"node", daemon_.options().node}, {"pid", started.process}});
      runs_.erase(it);
      return connection->Fail(
          status, std::string("the node does not start it: ") + std::string(StatusName(status)));
    }
    case abi::ControlKind::kRunOutput:
      return OnOutput(number, run, payload);
    case abi::ControlKind::kRunCredit:
      run.credit += Word(payload.data(), payload.size(), 1);
      SendInput(number, run);
      return connection->PauseReading(run.input.size() > kMuchUnsent);
    case abi::ControlKind::kRunExit: {
      runs_.erase(it);
      connection->Send(FrameType::kExit,
                       {reinterpret_cast<const char*>(payload.data()), payload.size()});
      return connection->CloseWhenSent();
    }
    default:
      return;
  }
}

void RunService::OnOutput(std::uint64_t number, Run& run, std::span<const std::byte> payload) {
  std::uint32_t stream = Word(payload.data(), payload.size());
  if (stream != 1 && stream != 2)
    return;
  std::string_view bytes(reinterpret_cast<const char*>(payload.data()) + sizeof stream,
                         payload.size() - sizeof stream);
  if (bytes.empty())
    return;
  if (run.owed[stream] + bytes.size() > abi::kRunWindow)
    return Fail(number, "the kernel sends more output than it may");
  run.owed[stream] += static_cast<std::uint32_t>(bytes.size());
  auto connection = run.connection;
  connection->Send(stream == 1 ? FrameType::kOutput : FrameType::kErrorOutput, bytes);
  auto it = runs_.find(number);  // the connection may have broken just now
  if (it != runs_.end() && connection->Unsent() < kMuchUnsent)
    GiveCredit(number, it->second);
}

void RunService::Fail(std::uint64_t number, const std::string& why) {
  const auto connection = runs_.at(number).connection;
  runs_.erase(number);
  Tell(abi::ControlKind::kRunAbandon, number);
  connection->Fail(Status::kCorrupt, why);
}

void RunService::OnGuest(bool up) {
  if (up)
    return;
  std::map<std::uint64_t, Run> lost;
  lost.swap(runs_);
  for (auto& [number, run] : lost) run.connection->Fail(Status::kNodeDead, "the node is over");
}

}  // namespace k42::noded
