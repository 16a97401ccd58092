// `object` and `ping` of the control socket: what an operator asks of the cluster's objects and of
// the ways between nodes. This node's kernel makes the calls (abi/link_names.h); here requests are
// put into words and answers out of them.
//
// A request: asked -> answered by the kernel, or over because the guest is (kNodeDead), or late:
// the kernel answers by the request's budget, and a little after that it counts as kTimedOut here.
#pragma once

#include <map>
#include <memory>

#include "abi/link_names.h"
#include "cluster-services/noded/control_server.h"
#include "cluster-services/noded/daemon.h"

namespace k42::noded {

class ObjectService {
 public:
  ObjectService(ControlServer& server, Daemon& daemon);

 private:
  struct Asked {
    std::shared_ptr<Connection> connection;
    std::uint64_t late_ns;  // on the monotonic clock
  };
  void StartObject(std::shared_ptr<Connection> connection, const nlohmann::json& request);
  void StartPing(std::shared_ptr<Connection> connection, const nlohmann::json& request);
  void Ask(std::shared_ptr<Connection> connection, abi::ControlKind kind,
           std::span<const std::byte> payload, std::uint64_t budget_ns);
  void OnAnswer(const abi::Frame& frame, std::span<const std::byte> payload);
  void OnTimer();

  Daemon& daemon_;
  interconnect::UniqueFd timer_;
  std::map<std::uint64_t, Asked> asked_;
  std::uint32_t last_ = 0;
};

}  // namespace k42::noded
