// `trace`: what the kernel has recorded, as text, and what it records
// (node-kernel/boot/trace_agent.h is the other end).
#pragma once

#include <map>
#include <memory>

#include "cluster-services/noded/control_server.h"
#include "cluster-services/noded/daemon.h"

namespace k42::noded {

class TraceRequests {
 public:
  TraceRequests(ControlServer& server, Daemon& daemon);

 private:
  struct Asked {
    std::shared_ptr<Connection> connection;
    bool dump = false;
    std::string text;  // of a mask
  };

  void Start(const std::shared_ptr<Connection>& connection, const nlohmann::json& request);
  void OnControl(const abi::Frame& frame, std::span<const std::byte> payload);
  void OnEnd(std::uint64_t number, std::span<const std::byte> payload);

  Daemon& daemon_;
  std::map<std::uint64_t, Asked> asked_;
  std::uint32_t last_ = 0;
};

}  // namespace k42::noded
