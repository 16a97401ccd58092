// Meets others at a barrier of the cluster: barrier NAME PARTIES MEMBER ROUNDS. In each round it
// adds one to the counter of the same name, waits for the others, and looks that all have added: at
// least once per round each, and nobody more than once ahead. Both objects are made if there are
// none.
#include "user/runtime/print.h"
#include "user/runtime/runtime.h"

namespace k42::runtime {

namespace {

constexpr std::uint32_t kTicket = 1;
constexpr std::uint64_t kFirstPauseNs = 500'000, kLongestPauseNs = 10'000'000;
constexpr std::uint64_t kPatienceNs = 30'000'000'000;

Status Meet(const global::ClusterBarrierStub& barrier, std::uint32_t member) {
  const auto round = Finish(barrier.Arrive(member, kTicket), kTicket);
  if (!round.ok())
    return round.status();
  const std::uint64_t deadline = kNode.MonotonicTime().ValueOr(0) + kPatienceNs;
  for (std::uint64_t pause = kFirstPauseNs;;) {
    const auto passed = Finish(barrier.Passed(round.value(), kTicket), kTicket);
    if (!passed.ok())
      return passed.status();
    if (passed.value())
      return Status::kOk;
    if (kNode.MonotonicTime().ValueOr(0) >= deadline)
      return Status::kTimedOut;
    Sleep(pause);
    pause = pause * 2 < kLongestPauseNs ? pause * 2 : kLongestPauseNs;
  }
}

int Complain(std::string_view what, Status why) {
  Print("{}: {}", what, why);
  return 1;
}

}  // namespace

int Main(std::span<const std::string_view> words) {
  std::uint64_t numbers[3] = {};  // parties, member, rounds
  bool fine = words.size() == 5;
  for (std::size_t i = 0; fine && i < 3; ++i) {
    const auto number = ParseNumber(words[i + 2]);
    fine = number.ok();
    numbers[i] = number.ValueOr(0);
  }
  if (!fine) {
    Print("usage: barrier NAME PARTIES MEMBER ROUNDS");
    return 64;
  }
  const auto [parties, member, rounds] = numbers;
  const std::string_view name = words[1];
  const auto barrier = Finish(kCluster.OpenBarrier(name.data(), name.size(), global::kOpenMake,
                                                   static_cast<std::uint32_t>(parties), kTicket),
                              kTicket);
  if (!barrier.ok())
    return Complain("open", barrier.status());
  const auto counter =
      Finish(kCluster.OpenCounter(name.data(), name.size(), global::kOpenMake, kTicket), kTicket);
  if (!counter.ok())
    return Complain("open", counter.status());
  for (std::uint64_t round = 1; round <= rounds; ++round) {
    if (const auto added = Finish(counter.value().Add(1, kTicket), kTicket); !added.ok())
      return Complain("add", added.status());
    if (const Status met = Meet(barrier.value(), static_cast<std::uint32_t>(member));
        met != Status::kOk)
      return Complain("meet", met);
    const auto sum = Finish(counter.value().Read(kTicket), kTicket);
    if (!sum.ok())
      return Complain("read", sum.status());
    if (sum.value() < parties * round || sum.value() > parties * (round + 1)) {
      Print("round {}: {} have come", round, sum.value());
      return 2;
    }
  }
  Print("member {} met {} times", member, rounds);
  return 0;
}

}  // namespace k42::runtime
