// Global objects between kernels, over the real link (tests/cluster/link.py calls-*): needs daemons
// and other nodes; skipped without.
#include <atomic>

#include "boot/start_global.h"
#include "global/cluster_barrier.h"
#include "global/cluster_barrier.wire.h"
#include "global/cluster_counter.wire.h"
#include "global/forwarding.h"
#include "guest/guest_test.h"
#include "guest/link_support.h"
#include "machine/cpu.h"

namespace k42 {
namespace {

using global::LinkPeer;
using global::WellKnown;
using global::WellKnownId;
using guest::kSecond;

constexpr std::uint64_t kAdds = 200;
constexpr std::uint64_t kPatienceNs = 60 * kSecond;
constinit std::atomic<std::uint32_t> callers{0};

template <typename Remote>
Result<cobj::Ref<typename Remote::Interface>> Import(LinkPeer home, WellKnown slot) {
  return global::ImportGlobal<Remote>(*boot::TheGlobalNode(), home, WellKnownId(home, slot),
                                      kPatienceNs);
}

// On each CPU: adds to every other node's counter, and looks that what it gets only grows.
void CallOthers(void*) {
  const LinkPeer self = boot::TheLink().Self();
  for (LinkPeer at = boot::TheView().Next(0); at.node != 0; at = boot::TheView().Next(at.node)) {
    if (at == self)
      continue;
    const auto counter = Import<global::RemoteClusterCounter>(at, WellKnown::kTestCounter);
    EXPECT(counter.ok());
    std::uint64_t last = 0;
    const std::uint64_t began = machine::MonotonicNs();
    for (std::uint64_t i = 0; counter.ok() && i < kAdds; ++i) {
      const auto value = counter.value()->Add(1);
      EXPECT_EQ(value.status(), Status::kOk);
      EXPECT(value.ValueOr(0) > last);
      last = value.ValueOr(0);
    }
    machine::Log("  {} calls to {} from CPU {}: mean {} us", kAdds, at.node, machine::CurrentCpu(),
                 (machine::MonotonicNs() - began) / kAdds / 1000);
    if (counter.ok())
      EXPECT_EQ(cobj::Destroy(counter.value()), Status::kOk);
  }
  callers.fetch_sub(1);
  machine::Thread::Exit();
}

// The barrier at the first node, `home` there; elsewhere it may not have been made yet.
void Meet(LinkPeer first, cobj::Ref<global::IClusterBarrier> home) {
  const auto barrier = home ? Result<cobj::Ref<global::IClusterBarrier>>(home)
                            : Import<global::RemoteClusterBarrier>(first, WellKnown::kTestBarrier);
  REQUIRE(barrier.ok());
  const std::uint64_t deadline = machine::MonotonicNs() + kPatienceNs;
  Status met = Status::kDeleted;
  while (met == Status::kDeleted && machine::MonotonicNs() < deadline) {
    met = global::WaitAtBarrier(barrier.value(), boot::TheLink().Self().node - 1, deadline);
    if (met == Status::kDeleted)
      global::Pause(kSecond / 20);
  }
  EXPECT_EQ(met, Status::kOk);
  if (!home)
    EXPECT_EQ(cobj::Destroy(barrier.value()), Status::kOk);
}

}  // namespace

GUEST_TEST(global_calls) {
  if (!boot::TheLink().started() || guest::MembersWanted() == 0)
    SKIP("no peers");
  REQUIRE(guest::WaitUntilUp());
  REQUIRE(guest::WaitForMembers());
  const LinkPeer self = boot::TheLink().Self();
  const LinkPeer first = boot::TheView().Next(0);
  cobj::Ref<global::IClusterBarrier> home;
  if (self == first) {
    const auto barrier = cobj::MakeShared<global::ClusterBarrier>(guest::MembersWanted());
    REQUIRE(barrier.ok());
    home = barrier.value();
    boot::TheGlobalNode()->exports().ExportAs(WellKnown::kTestBarrier, home.bits(),
                                              global::kClusterBarrierClass);
  }
  callers = machine::CpuCount();
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu)
    REQUIRE(machine::Thread::Create("caller", CallOthers, nullptr, cpu).ok());
  while (callers != 0) global::Pause(kSecond / 100);
  Meet(first, home);
  // All have called: what each counter has is exact.
  const std::uint64_t total = (guest::MembersWanted() - 1) * machine::CpuCount() * kAdds;
  for (LinkPeer at = boot::TheView().Next(0); at.node != 0; at = boot::TheView().Next(at.node)) {
    if (at == self)
      continue;
    const auto counter = Import<global::RemoteClusterCounter>(at, WellKnown::kTestCounter);
    REQUIRE(counter.ok());
    EXPECT_EQ(counter.value()->Read().ValueOr(0), total);
    // Another class, another life, another slot: each refused with its reason.
    const auto wrong = Import<global::RemoteClusterBarrier>(at, WellKnown::kTestCounter);
    EXPECT_EQ(wrong.value()->Passed(0).status(), Status::kVersionMismatch);
    EXPECT_EQ(cobj::Destroy(wrong.value()), Status::kOk);
    EXPECT_EQ(cobj::Destroy(counter.value()), Status::kOk);
  }
  Meet(first, home);
  global::Pause(kSecond);  // the first node's answer to the last question
}

}  // namespace k42
