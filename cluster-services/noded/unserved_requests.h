// `abi`: the system calls that programs on the node asked for in vain, as its kernel counts them
// (node-kernel/boot/unserved_agent.h).
#pragma once

#include <map>
#include <memory>

#include "cluster-services/noded/control_server.h"
#include "cluster-services/noded/daemon.h"

namespace k42::noded {

class UnservedRequests {
 public:
  UnservedRequests(ControlServer& server, Daemon& daemon);

 private:
  void Ask(const std::shared_ptr<Connection>& connection);
  void OnAnswer(const abi::Frame& frame, std::span<const std::byte> payload);

  Daemon& daemon_;
  std::map<std::uint64_t, std::shared_ptr<Connection>> asked_;
  std::uint32_t last_ = 0;
};

}  // namespace k42::noded
