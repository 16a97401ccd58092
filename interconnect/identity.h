// Who is at each end of an endpoint, and what proves it.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>

namespace k42::interconnect {

// One life of a node. Everything about an endpoint is bound to it: a node that comes back is
// another peer.
struct PeerId {
  std::uint32_t node = 0;
  std::uint64_t incarnation = 0;

  // clang-tidy 14 takes the zero that the compiler compares with for a null pointer of ours.
  auto operator<=>(const PeerId&) const = default;  // NOLINT(modernize-use-nullptr)
  std::string Text() const {
    return "n" + std::to_string(node) + "." + std::to_string(incarnation);
  }
};

// Random, of one incarnation, in the store where only node certificates can read it.
using Secret = std::array<std::byte, 32>;

struct LocalIdentity {
  PeerId self;
  std::uint64_t cluster_id = 0;         // hash of the cluster's name
  std::uint32_t daemon_generation = 0;  // below the incarnation
  Secret secret{};
};

// A member of the view as its record in the store describes it.
struct PeerInfo {
  PeerId id;
  Secret secret{};
  std::string address;  // of the transport that is to reach it; LocalAddress() of its transport
};

}  // namespace k42::interconnect
