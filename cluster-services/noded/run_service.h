// `run`: a program on this node, its streams joined to an operator's connection.
//
// A run: asked (kRunStart sent) -> running (kRunStarted) -> ended (kRunExit, or the guest is over).
// The kernel's run agent (node-kernel/boot/run_agent.h) is the other end; numbers carry the
// daemon's generation, so what belongs to a predecessor's runs is recognised and abandoned.
//
// Credit both ways (abi::kRunWindow): input is sent as the kernel takes it, and while an operator's
// connection holds more than a little unsent output, the kernel gets no more credit for it. A run
// whose kernel sends more than it may has failed: all that waits for an operator is bounded.
//
// env and cwd are given by having /usr/bin/env start the program: the kernel knows only words.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "abi/link_control.h"
#include "cluster-services/noded/control_server.h"
#include "cluster-services/noded/daemon.h"

namespace k42::noded {

class RunService {
 public:
  RunService(ControlServer& server, Daemon& daemon);

 private:
  struct Run {
    std::shared_ptr<Connection> connection;  // null: the operator has gone
    bool started = false;
    std::string input;  // not yet sent
    bool input_ends = false;
    bool input_ended = false;
    std::uint32_t credit = abi::kRunWindow;
    std::uint32_t owed[3] = {};  // output passed on, not yet credited
  };

  void Start(std::shared_ptr<Connection> connection, const nlohmann::json& request);
  void OnFrame(std::uint64_t number, const control::Frame& frame);
  void OnGone(std::uint64_t number);
  void OnControl(const abi::Frame& frame, std::span<const std::byte> payload);
  void OnOutput(std::uint64_t number, Run& run, std::span<const std::byte> payload);
  void OnGuest(bool up);
  void SendInput(std::uint64_t number, Run& run);
  void Fail(std::uint64_t number, const std::string& why);
  void GiveCredit(std::uint64_t number, Run& run);
  void Tell(abi::ControlKind kind, std::uint64_t number, std::span<const std::byte> payload = {});

  Daemon& daemon_;
  std::map<std::uint64_t, Run> runs_;
  std::uint32_t last_ = 0;
};

}  // namespace k42::noded
