// `trace`: what the kernel records (action "mask"; node-kernel/boot/trace_agent.h is the other
// end), and what it has recorded (action "read"), which is taken out of the guest's RAM: a guest
// that hangs can be read as well.
#pragma once

#include <map>
#include <memory>

#include "cluster-services/noded/control_server.h"
#include "cluster-services/noded/daemon.h"
#include "cluster-services/noded/guest_trace.h"
#include "cluster-services/noded/trace_clock.h"

namespace k42::noded {

class TraceRequests {
 public:
  TraceRequests(ControlServer& server, Daemon& daemon);

 private:
  struct Asked {  // for the mask
    std::shared_ptr<Connection> connection;
    std::string text;
  };
  struct Reading {
    std::shared_ptr<Connection> connection;
    GuestTrace trace;
    interconnect::UniqueFd timer;  // while it follows
  };

  void StartMask(const std::shared_ptr<Connection>& connection, const nlohmann::json& request);
  void OnMask(const abi::Frame& frame, std::span<const std::byte> payload);
  void OnMaskEnd(std::uint64_t number, std::span<const std::byte> payload);
  void StartRead(const std::shared_ptr<Connection>& connection, bool follow);
  // False: the guest is gone.
  static bool Give(Reading& reading, bool last);
  void Follow(const std::shared_ptr<Reading>& reading);
  void EndRead(const std::shared_ptr<Reading>& reading);

  Daemon& daemon_;
  TraceClock clock_;
  std::map<std::uint64_t, Asked> asked_;
  std::uint32_t last_ = 0;
};

}  // namespace k42::noded
