// Which outside addresses a node's programs reach, and as what: the closed list. Pure.
//
//   k42-host, kOffloadControlPort   the daemon's control socket for the inside
//   k42-host, any other port        127.0.0.1 of this host, unless denied
//   loopback, link-local, multicast, the nodes' own prefix, 0/8: nothing
//   anything else                   as it is
#pragma once

#include <cstdint>
#include <set>

#include "abi/offload.h"
#include "base/result.h"

namespace k42::offload {

struct Target {
  bool control = false;
  std::uint32_t internet = 0;  // host order
  std::uint16_t port = 0;
};

// `denied`: ports of the host's loopback that are not for programs of a node (the store's).
// kUnreachable, kConnectionRefused.
Result<Target> TargetOf(const abi::OffloadAddress& address, const std::set<std::uint16_t>& denied);

}  // namespace k42::offload
