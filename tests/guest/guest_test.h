// Tests that run inside the kernel: build/k42-test.elf, one image with all of tests/guest/*.cc.
//
//   GUEST_TEST(threads_block) {          // runs on the boot thread of CPU 0, in thread context
//     EXPECT_EQ(1 + 1, 2);               // a failure is reported and the test goes on
//     REQUIRE(pointer != nullptr);       // a failure ends the test (use in functions returning
//     void)
//   }
//
// Boot option test=PATTERNS selects: names separated by commas, * matches anything; default all but
// `panic_*`, which end in a panic by design and are run one by one (run.py --expect), `stuck_*`,
// whose CPUs do not answer (debug_console.py), and
// `serve_*`, which never end: what a kernel does in a cluster of test kernels; `debug_*` run by
// default in the debug kernel only (build/k42-test-debug.elf). Output: `TEST name
// ok`, or failed checks and `TEST name FAILED n checks`, or `TEST name skipped: why` for one that
// lacks what it tests (no link, one CPU); last `N passed, N failed, N skipped`.
#pragma once

#include <cstdint>

#include "machine/log.h"

namespace k42::guest {

struct Test {
  const char* name;
  void (*run)();
};

// Reports a failed check of the running test. Any thread, any CPU.
void Fail(const char* file, int line, const char* what);
// The running test cannot show anything here: SKIP.
void Skip(const char* why);

template <typename A, typename B>
bool CheckEqual(const A& a, const B& b, const char* file, int line, const char* what) {
  if (a == b) {
    return true;
  }
  machine::Log("  left {}, right {}", a, b);
  Fail(file, line, what);
  return false;
}

}  // namespace k42::guest

#define GUEST_TEST(test_name)                                                               \
  static void test_name##_body();                                                           \
  [[gnu::section(".guest_tests"),                                                           \
    gnu::used]] static constinit ::k42::guest::Test test_name##_entry = {#test_name,        \
                                                                         test_name##_body}; \
  static void test_name##_body()

#define SKIP(why)            \
  do {                       \
    ::k42::guest::Skip(why); \
    return;                  \
  } while (false)
#define EXPECT(condition)                                 \
  do {                                                    \
    if (!(condition)) {                                   \
      ::k42::guest::Fail(__FILE__, __LINE__, #condition); \
    }                                                     \
  } while (false)
#define EXPECT_EQ(a, b) \
  static_cast<void>(::k42::guest::CheckEqual((a), (b), __FILE__, __LINE__, #a " == " #b))
#define REQUIRE(condition)                                \
  do {                                                    \
    if (!(condition)) {                                   \
      ::k42::guest::Fail(__FILE__, __LINE__, #condition); \
      return;                                             \
    }                                                     \
  } while (false)
