// Who waits for a page below a call of user space keeps its generation; others do not.
#include "mem/sync_waiter.h"

#include <gtest/gtest.h>

#include "beside.h"

namespace k42::mem {
namespace {

int deactivations = 0;

TEST(SyncWaiter, StaysActiveBelowACallOfUserSpace) {
  machine::SetActivityHooks(
      {[](machine::ThreadContext&) {}, [](machine::ThreadContext&) { ++deactivations; }});
  std::uint64_t something = 0;
  const auto wait = [&](void* user_call, void* worker) {
    SyncWaiter* waiting = nullptr;
    Status status = Status::kOk;
    Beside thread([&] {
      machine::ThreadContext& context = machine::Thread::Current()->context();
      context.user_call = user_call;
      context.worker = worker;
      SyncWaiter waiter;
      waiting = &waiter;
      status = waiter.Wait();
      context.user_call = context.worker = nullptr;
    });
    LetOthersRun();
    EXPECT_FALSE(thread.over);
    const int while_waiting = deactivations;
    waiting->status = Status::kIoError;
    waiting->notify(waiting);
    thread.Wait();
    EXPECT_EQ(status, Status::kIoError);
    return while_waiting;
  };
  int before = deactivations;
  EXPECT_EQ(wait(&something, nullptr), before);
  before = deactivations;
  EXPECT_GT(wait(&something, &something), before);
  before = deactivations;
  EXPECT_GT(wait(nullptr, nullptr), before);
  machine::SetActivityHooks({nullptr, nullptr});
}

}  // namespace
}  // namespace k42::mem
