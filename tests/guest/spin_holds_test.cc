// What the tests before it did with spin locks: none is held for long without a stated reason
// (boot/spin_holds.h).
#include "boot/spin_holds.h"

#include "base/assert.h"
#include "guest/guest_test.h"

namespace k42 {
namespace {

GUEST_TEST(spin_locks_are_held_for_a_few_instructions) {
  if constexpr (!kDebugChecks)
    SKIP("no debug kernel");
  const boot::SpinHolds found = boot::ReportSpinHolds();
  EXPECT(found.sites != 0);
  EXPECT(found.overhead != 0);
  EXPECT_EQ(found.longer, 0u);
}

}  // namespace
}  // namespace k42
