#include "proc/whole_fault.h"

#include <gtest/gtest.h>

namespace k42::proc {
namespace {

struct WholeFaultTest : testing::Test {
  // The page of `address` is waited for, and does not come.
  void Fail(std::uint64_t address) {
    mem::FaultWaiters waiters;
    waiters.PushBack(fault.For(address));
    mem::NotifyAll(waiters, Status::kIoError);
  }
  WholeFault fault{[](mem::FaultWaiter*) {}};
};

TEST_F(WholeFaultTest, AFailureIsToldOnceForItsPage) {
  Fail(0x5123);
  EXPECT_EQ(fault.TakeFailure(0x5fff), Status::kIoError);
  EXPECT_EQ(fault.TakeFailure(0x5123), Status::kOk);
}

TEST_F(WholeFaultTest, AFailureIsNotToldForAnotherPage) {
  Fail(0x5123);
  EXPECT_EQ(fault.TakeFailure(0x6000), Status::kOk);
  EXPECT_EQ(fault.TakeFailure(0x5123), Status::kOk);  // forgotten: asked for once more
}

TEST_F(WholeFaultTest, WhatIsForgottenIsNotTold) {
  Fail(0x5123);
  fault.Forget();
  EXPECT_EQ(fault.TakeFailure(0x5123), Status::kOk);
}

TEST_F(WholeFaultTest, APageThatCameIsNotHeldAgainstWhoComesNext) {
  Fail(0x5123);
  EXPECT_EQ(fault.TakeFailure(0x5123), Status::kIoError);
  mem::FaultWaiters waiters;
  waiters.PushBack(fault.For(0x7000));
  mem::NotifyAll(waiters, Status::kOk);
  EXPECT_EQ(fault.TakeFailure(0x7000), Status::kOk);
}

}  // namespace
}  // namespace k42::proc
