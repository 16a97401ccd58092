// The link, from inside: needs a daemon (tests/cluster/link.py runs these); skipped without one.
#include <cstring>

#include "boot/start_link.h"
#include "guest/guest_test.h"
#include "machine/clock.h"
#include "machine/thread.h"
#include "machine/timer.h"

namespace k42 {
namespace {

using global::LinkPeer;

constexpr std::uint64_t kSecond = 1'000'000'000;

void Sleep(std::uint64_t ns) {
  machine::Timer timer;
  const std::uint64_t until = machine::MonotonicNs() + ns;
  timer.Arm(
      until, [](void* thread) { static_cast<machine::Thread*>(thread)->Unblock(); },
      machine::Thread::Current());
  while (machine::MonotonicNs() < until) machine::Thread::BlockExternal();
}

bool WaitUntilUp() {
  for (int i = 0; i < 100 && !boot::TheLink().Up(); ++i) Sleep(kSecond / 10);
  return boot::TheLink().Up();
}

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

}  // namespace

GUEST_TEST(link_echo_daemon) {
  if (!boot::TheLink().started()) {
    machine::Log("  no link: not tested");
    return;
  }
  REQUIRE(WaitUntilUp());
  PingMany({abi::kDaemonNode, 0}, 200, 64);
  PingMany({abi::kDaemonNode, 0}, 50, 4096);
}

}  // namespace k42
