// The link, from inside: needs a daemon (tests/cluster/link.py runs these); skipped without one.
#include <cstring>

#include "guest/guest_test.h"
#include "guest/link_support.h"
#include "machine/clock.h"

namespace k42 {
namespace {

using global::LinkPeer;

using global::Pause;
using guest::kSecond;
using guest::WaitUntilUp;

// Median-free summary: least and mean of `count` round trips.
void PingMany(LinkPeer peer, int count, std::size_t size) {
  static std::byte payload[4096];
  for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<std::byte>(i * 7 + size);
  std::uint64_t least = ~0ull;
  std::uint64_t total = 0;
  for (int i = 0; i < count; ++i) {
    const auto round_trip = boot::TheEcho().Ping(peer, {payload, size}, 5 * kSecond);
    REQUIRE(round_trip.ok());
    least = round_trip.value() < least ? round_trip.value() : least;
    total += round_trip.value();
  }
  machine::Log("  {} bytes to {}: least {} us, mean {} us", size, peer.node, least / 1000,
               total / static_cast<unsigned>(count) / 1000);
}

// The same by put_notify, there and back.
void PutMany(LinkPeer peer, int count, std::uint32_t size) {
  std::uint64_t least = ~0ull;
  for (int i = 0; i < count; ++i) {
    const auto round_trip = boot::TheEcho().puts().Ping(peer, size, 5 * kSecond);
    REQUIRE(round_trip.ok());
    least = round_trip.value() < least ? round_trip.value() : least;
  }
  machine::Log("  {} bytes to {} put and put back: least {} us", size, peer.node, least / 1000);
}

}  // namespace

GUEST_TEST(link_echo_daemon) {
  if (!boot::TheLink().started())
    SKIP("no link");
  REQUIRE(WaitUntilUp());
  PingMany({abi::kDaemonNode, 0}, 200, 64);
  PingMany({abi::kDaemonNode, 0}, 50, 4096);
}

// Every other member, over whatever transport reaches it. Ends when the view has `members` nodes
// (boot option) and all have been heard.
GUEST_TEST(link_echo_peers) {
  if (!boot::TheLink().started() || guest::MembersWanted() == 0)
    SKIP("no peers");
  REQUIRE(WaitUntilUp());
  EXPECT(guest::WaitForMembers());
  const LinkPeer self = boot::TheLink().Self();
  for (LinkPeer at = boot::TheView().Next(0); at.node != 0; at = boot::TheView().Next(at.node)) {
    if (at == self)
      continue;
    PingMany(at, 50, 64);
    PingMany(at, 20, 4096);
    PutMany(at, 50, 64);
    PutMany(at, 20, 64 * 1024);
    PutMany(at, 2, abi::kPingPutMax);
    for (const std::uint32_t size : {8u, 4096u, abi::kPingPutMax}) {
      EXPECT(boot::TheEcho().puts().Store(at, size, 5 * kSecond).ok());
      EXPECT(boot::TheEcho().puts().Load(at, size, 5 * kSecond).ok());  // and it looks at the bytes
    }
  }
  EXPECT_EQ(boot::TheEcho().puts().Ping(self, abi::kPingPutMax + 1, kSecond).status(),
            Status::kInvalidArgument);
  Pause(3 * kSecond);  // the others still ask us
}

// The daemon is killed under us (tests/cluster/link.py restart): each ping is answered or times
// out, and each new daemon is heard from.
GUEST_TEST(link_survives_daemons) {
  if (!boot::TheLink().started())
    SKIP("no link");
  REQUIRE(WaitUntilUp());
  machine::Log("  pinging");
  static std::byte payload[64];
  std::uint32_t generation = 1;
  int answered = 0, lost = 0;
  const std::uint64_t until = machine::MonotonicNs() + 40 * kSecond;
  while (generation < 6 && machine::MonotonicNs() < until) {
    const auto round_trip = boot::TheEcho().Ping({abi::kDaemonNode, 0}, payload, kSecond / 4);
    round_trip.ok() ? ++answered : ++lost;
    const std::uint32_t now = boot::TheLink().DaemonGeneration();
    if (now != generation && boot::TheLink().Up() && round_trip.ok()) {
      generation = now;
      machine::Log("  generation {} after {} answers, {} lost", generation, answered, lost);
    }
    if (answered % 64 == 0)
      Pause(kSecond / 100);
  }
  EXPECT_EQ(generation, 6u);
  EXPECT(answered > 100);
}

}  // namespace k42
