// Every kind of lock, the same tests for each (support/lock_tests.h); and what the checks find.
#include <gtest/gtest.h>

#include "machine/hosted.h"
#include "machine/mutex.h"
#include "machine/spin_lock.h"
#include "support/counters.h"
#include "support/lock_tests.h"
#include "support/node_fixture.h"

namespace k42::test {
namespace {

#define EXPECT_FINE(call)                       \
  do {                                          \
    const char* wrong = (call);                 \
    EXPECT_EQ(wrong, nullptr) << (wrong ?: ""); \
  } while (false)

template <typename Lock>
class Locks : public ObjectFixture {};
using Kinds = ::testing::Types<Spin, IrqSpin, Fair, Blocking, Bit, ReadWrite>;
TYPED_TEST_SUITE(Locks, Kinds);

TYPED_TEST(Locks, Exclude) {
  EXPECT_FINE((Excludes<TypeParam>(kBlocks<TypeParam> ? 4 : 1, 300)));
}
TYPED_TEST(Locks, TriesDoNotWait) {
  EXPECT_FINE(TriesDoNotWait<TypeParam>());
}
TYPED_TEST(Locks, KeepTheInterruptFlag) {
  EXPECT_FINE(KeepsTheInterruptFlag<TypeParam>());
}
TYPED_TEST(Locks, WaitersComeInOrder) {
  if constexpr (kBlocks<TypeParam>)
    EXPECT_FINE(WaitersComeInOrder<TypeParam>());
}

// -- each misuse, of each kind --------------------------------------------------------------------

template <typename Lock>
class LocksDeath : public ObjectFixture {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};
TYPED_TEST_SUITE(LocksDeath, Kinds);

TYPED_TEST(LocksDeath, WrongOrder) {
  machine::SpinLock<LockRank::kFrames> inner;
  TypeParam& outer = the_lock<TypeParam>;
  if constexpr (kBlocks<TypeParam>)
    EXPECT_DEATH((inner.Lock(), outer.Lock()), "lock rank 60 taken while rank 152 is held");
  else
    EXPECT_DEATH((outer.Lock(), inner.Lock()), "lock rank 152 taken while rank 190 is held");
}
TYPED_TEST(LocksDeath, TakenTwice) {
  TypeParam& lock = the_lock<TypeParam>;
  EXPECT_DEATH((lock.Lock(), lock.Lock()), "taken twice");
}
TYPED_TEST(LocksDeath, ReleasedByAStranger) {
  TypeParam& lock = the_lock<TypeParam>;
  EXPECT_DEATH(lock.Unlock(), "does not hold it");
}
TYPED_TEST(LocksDeath, HeldAcrossACall) {
  const auto counter = cobj::MakeShared<SharedCounter>().value();
  TypeParam& lock = the_lock<TypeParam>;
  EXPECT_DEATH((lock.Lock(), (void)counter->Value()),
               kBlocks<TypeParam> ? "object called while holding a blocking lock of rank 60"
                                  : "object called while holding a spin lock");
}

// -- of one kind ----------------------------------------------------------------------------------

class OneKind : public ObjectFixture {};
TEST_F(OneKind, BitLockLeavesTheOtherBits) {
  EXPECT_FINE(BitsStay());
}
TEST_F(OneKind, ReadersShareWritersDoNot) {
  EXPECT_FINE(ReadersShareWritersDoNot());
}

}  // namespace
}  // namespace k42::test
