// Adds to a counter of the cluster: counter NAME TIMES [cpu=N]. The counter is made if there is
// none. Says what it got; ends with 1 at the first error (how many calls were done, the error's
// name, how long that call took), with 2 if what it got did not grow strictly.
#include "user/runtime/print.h"
#include "user/runtime/runtime.h"

namespace k42::runtime {

namespace {

constexpr std::uint32_t kTicket = 1;

std::uint64_t NowMs() {
  return kNode.MonotonicTime().ValueOr(0) / 1'000'000;
}

int Complain(std::string_view what, Status why, std::uint64_t began_ms) {
  Print("{}: {} after {} ms", what, why, NowMs() - began_ms);
  return 1;
}

}  // namespace

int Main(std::span<const std::string_view> words) {
  constexpr std::string_view kCpu = "cpu=";
  const auto times = ParseNumber(words.size() > 2 ? words[2] : "");
  if (words.size() < 3 || words.size() > 4 || !times.ok()) {
    Print("usage: counter NAME TIMES [cpu=N]");
    return 64;
  }
  std::uint64_t began = NowMs();
  if (words.size() == 4) {
    proc::Schedule schedule;
    const auto cpu = ParseNumber(words[3].substr(words[3].starts_with(kCpu) ? kCpu.size() : 0));
    Status status = cpu.ok() && cpu.value() < 64 ? kProcess.GetSchedule(0, &schedule)
                                                 : Status::kInvalidArgument;
    if (status == Status::kOk) {
      schedule.cpus = std::uint64_t{1} << cpu.value();
      status = kProcess.SetSchedule(0, schedule);
    }
    if (status != Status::kOk)
      return Complain(words[3], status, began);
  }
  const auto counter = Finish(
      kCluster.OpenCounter(words[1].data(), words[1].size(), global::kOpenMake, kTicket), kTicket);
  if (!counter.ok())
    return Complain("open", counter.status(), began);
  std::uint64_t first = 0, last = 0;
  for (std::uint64_t i = 0; i < times.value(); ++i) {
    began = NowMs();
    const auto value = Finish(counter.value().Add(1, kTicket), kTicket);
    if (!value.ok()) {
      Print("done {}", i);
      return Complain("add", value.status(), began);
    }
    if (value.value() <= last) {
      Print("{} after {}", value.value(), last);
      return 2;
    }
    last = value.value();
    if (i == 0) {
      first = last;
      Print("first {}", first);
    }
  }
  Print("added {}, last {}", times.value(), last);
  return 0;
}

}  // namespace k42::runtime
