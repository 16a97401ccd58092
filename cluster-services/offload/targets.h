// Which outside addresses a node's programs reach, and as what: the closed list. Pure.
//
//   k42-host, kOffloadControlPort   the daemon's control socket for the inside
//   k42-host, any other port        127.0.0.1 of this host
//   loopback, link-local, multicast, the nodes' own prefix, 0/8: nothing
//   anything else                   as it is
// and of these none that is denied: the store's ends, which are the daemons', not the programs'.
#pragma once

#include <compare>
#include <cstdint>
#include <set>
#include <string>

#include "abi/offload.h"
#include "base/result.h"

namespace k42::offload {

struct Target {
  bool control = false;
  std::uint32_t internet = 0;  // host order
  std::uint16_t port = 0;
};

// An address of the companion's world that a node's programs do not reach.
struct Denied {
  std::uint32_t internet = 0;  // host order
  std::uint16_t port = 0;

  auto operator<=>(const Denied&) const = default;
};

// "PORT" (of the host's loopback) or "A.B.C.D:PORT". kInvalidArgument: neither.
Result<Denied> ParseDenied(const std::string& text);

// kUnreachable, kConnectionRefused.
Result<Target> TargetOf(const abi::OffloadAddress& address, const std::set<Denied>& denied);

}  // namespace k42::offload
