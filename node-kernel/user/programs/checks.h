// What programs that test share: checks that count, waiting for children, tests by name.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "abi/signal.h"
#include "machine/log.h"
#include "user/runtime/runtime.h"

namespace k42::runtime {

inline std::uint32_t failures = 0;
// The ticket of whoever waits: one at a time.
inline constexpr std::uint32_t kTicket = 7;
inline constexpr std::uint64_t kMs = 1'000'000;

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) {                                                 \
      machine::Log("  {}:{}: {}", __FILE_NAME__, __LINE__, #condition); \
      ++failures;                                                       \
    }                                                                   \
  } while (false)

inline std::uint64_t Now() {
  return kNode.MonotonicTime().ValueOr(0);
}

// Waits until a child has changed as `flags` say (kWait...).
inline Result<proc::WaitResult> WaitFor(std::uint32_t task,
                                        std::uint32_t flags = proc::kWaitExited) {
  proc::WaitRequest request = {};
  request.selector = proc::Selector::kTask;
  request.id = task;
  request.flags = flags;
  proc::WaitResult found = {};
  for (;;) {
    const Status status = kProcess.Wait(request, &found, kTicket);
    if (status == Status::kPending)
      (void)WaitForTicket(kTicket);
    else if (status != Status::kOk)
      return status;
    else
      return found;
  }
}

inline Result<std::uint32_t> Signal(std::uint32_t task, std::uint32_t signal,
                                    proc::Selector selector = proc::Selector::kTask) {
  proc::SignalRequest request = {};
  request.selector = selector;
  request.id = task;
  request.info.signal = signal;
  return kProcess.Kill(request);
}

// A kill is asked for and has happened.
inline void KillAndWait(std::uint32_t task) {
  CHECK(Signal(task, abi::kSignalKill).ok());
  const auto ended = WaitFor(task);
  CHECK(ended.ok() && ended.value().kind == proc::ExitKind::kKilled &&
        ended.value().code == abi::kSignalKill);
}

struct Test {
  std::string_view name;
  void (*run)();
};

// Runs those tests whose names are among `words`, or all; how many checks have failed. `prefix`
// stands before their names in the log.
inline int RunTests(std::string_view prefix, std::span<const Test> tests, bool all,
                    std::span<const std::string_view> words) {
  for (const Test& test : tests) {
    bool wanted = all;
    for (const std::string_view word : words) wanted |= word == test.name;
    if (!wanted)
      continue;
    const std::uint32_t before = failures;
    test.run();
    machine::Log("TEST {}_{} {}", prefix, test.name, failures == before ? "ok" : "FAILED");
  }
  return static_cast<int>(failures);
}

}  // namespace k42::runtime
