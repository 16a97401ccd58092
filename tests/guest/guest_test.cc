// Runs the guest tests; boot/ calls it at the end of the start list if it is linked in.
#include "guest/guest_test.h"

#include <atomic>
#include <string_view>

#include "base/assert.h"
#include "boot/test_hook.h"
#include "machine/boot_info.h"
#include "machine/clock.h"
#include "machine/power.h"

extern "C" const k42::guest::Test guest_tests_begin[], guest_tests_end[];

namespace k42 {
namespace guest {
namespace {

constinit std::atomic<int> failed_checks{0};
constinit const char* skipped_for = nullptr;  // the running test; null: it is not

bool Matches(std::string_view name, std::string_view pattern) {
  const std::size_t star = pattern.find('*');
  if (star == pattern.npos) {
    return name == pattern;
  }
  if (!name.starts_with(std::string_view(pattern.data(), star))) {
    return false;
  }
  name.remove_prefix(star);
  pattern.remove_prefix(star + 1);
  for (;; name.remove_prefix(1)) {
    if (Matches(name, pattern)) {
      return true;
    }
    if (name.empty()) {
      return false;
    }
  }
}

bool Selected(std::string_view name, std::string_view patterns) {
  if (patterns.empty()) {
    return !name.starts_with("panic_") && !name.starts_with("serve_") &&
           !name.starts_with("stuck_") && (kDebugChecks || !name.starts_with("debug_"));
  }
  while (!patterns.empty()) {
    const std::size_t comma = patterns.find(',');
    const std::string_view pattern(patterns.data(),
                                   comma == patterns.npos ? patterns.size() : comma);
    if (Matches(name, pattern)) {
      return true;
    }
    patterns.remove_prefix(comma == patterns.npos ? patterns.size() : comma + 1);
  }
  return false;
}

}  // namespace

void Fail(const char* file, int line, const char* what) {
  failed_checks.fetch_add(1, std::memory_order_relaxed);
  machine::Log("  {}:{}: {}", file, line, what);
}

void Skip(const char* why) {
  skipped_for = why;
}

}  // namespace guest

void boot::RunGuestTests() {
  using guest::failed_checks;
  const std::string_view patterns = machine::BootOption("test", "");
  int passed = 0;
  int failed = 0;
  int skipped = 0;
  for (const guest::Test* test = guest_tests_begin; test != guest_tests_end; ++test) {
    if (!guest::Selected(test->name, patterns)) {
      continue;
    }
    failed_checks = 0;
    guest::skipped_for = nullptr;
    const std::uint64_t begin = machine::MonotonicNs();
    test->run();
    const std::uint64_t ms = (machine::MonotonicNs() - begin) / 1'000'000;
    if (failed_checks == 0 && guest::skipped_for != nullptr) {
      ++skipped;
      machine::Log("TEST {} skipped: {}", test->name, guest::skipped_for);
    } else if (failed_checks == 0) {
      ++passed;
      machine::Log("TEST {} ok ({} ms)", test->name, ms);
    } else {
      ++failed;
      machine::Log("TEST {} FAILED {} checks", test->name, failed_checks.load());
    }
  }
  machine::Log("{} passed, {} failed, {} skipped", passed, failed, skipped);
  const bool good = failed == 0 && passed != 0;
  machine::PowerOff(good ? machine::ExitCode::kSuccess : machine::ExitCode::kFailure);
}

}  // namespace k42
