// Destruction needs nobody outside the node: 10^5 objects, and 1000 that every CPU has used, go
// while the daemon is stopped and a call to it is under way (tests/cluster/stopped_daemon.py).
#include "cobj/make.h"
#include "guest/guest_test.h"
#include "guest/link_support.h"
#include "machine/clock.h"
#include "machine/thread.h"
#include "support/counter_kinds.h"
#include "support/lock_tests.h"

namespace k42 {
namespace {

using guest::kSecond;
using machine::Thread;

constexpr std::uint64_t kObjects = 100'000;
constexpr std::uint64_t kWide = 1000;

bool Answers(std::uint64_t patience) {
  static std::byte payload[64];
  return boot::TheEcho().Ping({abi::kDaemonNode, 0}, payload, patience).ok();
}

GUEST_TEST(link_stopped_daemon_and_destruction) {
  if (!boot::TheLink().started())
    SKIP("no link");
  REQUIRE(guest::WaitUntilUp());
  REQUIRE(Answers(5 * kSecond));
  machine::Log("  stop the daemon");
  for (int i = 0; i < 200 && Answers(kSecond / 5); ++i) global::Pause(kSecond / 10);
  // One thread waits for the daemon all the time: inactive, so it holds no generation.
  static std::atomic<bool> caller_ended;
  caller_ended = false;
  REQUIRE(Thread::Create(
              "caller",
              [](void*) {
                (void)Answers(20 * kSecond);
                caller_ended = true;
              },
              nullptr, machine::CpuCount() - 1)
              .ok());
  const auto before = cobj::node_objects->counts();
  const std::uint64_t begin = machine::MonotonicNs();
  const test::CounterKinds kinds;
  static cobj::Ref<idl::ICounter> wide[kWide];
  for (std::uint64_t i = 0; i < kWide; ++i)
    wide[i] = kinds[i].Make().ValueOr(cobj::Ref<idl::ICounter>());
  test::OnAllCpus(1, [&] {
    for (const auto object : wide) EXPECT(object && object->Increment(1).ok());
    for (std::uint64_t i = 0; i < kObjects / machine::CpuCount(); ++i) {
      const auto made = kinds[i].Make();
      if (!made.ok())
        return;
      (void)made.value()->Increment(1);
      (void)cobj::Destroy(made.value());
      cobj::QuietPoint();
      cobj::HoldBack();
      Thread::PreemptionPoint();
    }
  });
  for (const auto object : wide) EXPECT(IsOk(cobj::Destroy(object)));
  // All memory comes back, and the ids but for those that do not make a batch yet.
  const std::uint64_t left = machine::CpuCount() * std::uint64_t{cobj::ObjectManager::kIdBatch};
  const std::uint64_t gone = before.recycled + kObjects + kWide;
  while ((test::live_counters != 0 || cobj::node_objects->counts().recycled + left < gone) &&
         machine::MonotonicNs() < begin + 30 * kSecond)
    global::Pause(kSecond / 100);
  const std::uint64_t ms = (machine::MonotonicNs() - begin) / 1'000'000;
  const auto after = cobj::node_objects->counts();
  machine::Log("  {} objects destroyed in {} ms, {} of them without a message, {} ids back",
               after.disposed - before.disposed, ms, after.local - before.local,
               after.recycled - before.recycled);
  EXPECT_EQ(test::live_counters.load(), 0);
  EXPECT(after.disposed - before.disposed >= kObjects + kWide);
  EXPECT(after.recycled + left >= gone);
  EXPECT(!caller_ended);
  machine::Log("  done");
  for (int i = 0; i < 600 && !Answers(kSecond); ++i) global::Pause(kSecond / 10);
  EXPECT(Answers(5 * kSecond));
  while (!caller_ended) global::Pause(kSecond / 100);
}

}  // namespace
}  // namespace k42
