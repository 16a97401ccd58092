// Memory files under calls of user space.
#include "fs/cached_data.h"

#include "unit/mem/beside.h"
#include "unit/mem/test_space.h"

namespace k42::fs {
namespace {

// A thread that serves user space, in the middle of somebody's cut: it says that it would have to
// wait, and its call is made again by one that may.
TEST(CachedData, NobodyWaitsUnderACallOfUserSpace) {
  mem::TestServices memory;
  CachedDataSource source(memory.services);
  FileData* file = source.Make(1, 2).value();
  const std::vector<unsigned char> data(1000 * mem::kPageSize, 1);
  std::uint64_t end = 0;
  ASSERT_TRUE(file->Write(0, BufferIn::Kernel(data.data(), data.size()), false, &end).ok());
  EXPECT_EQ(end, data.size());
  bool seen = false;
  mem::Beside caller([&] {
    while (file->Size() != 0) {
      machine::Thread::Yield();
    }
    machine::ThreadContext& context = machine::Thread::Current()->context();
    context.user_call = &seen;
    seen = file->Allocated() > 100 * mem::kPageSize;
    const BufferIn some = BufferIn::Kernel(data.data(), 8);
    EXPECT_EQ(file->Write(0, some, false, &end).status(), Status::kWouldBlock);
    EXPECT_EQ(file->Write(0, some, true, &end).status(), Status::kWouldBlock);
    EXPECT_EQ(file->Resize(8), Status::kWouldBlock);
    EXPECT_EQ(file->GrowTo(8), Status::kWouldBlock);
    EXPECT_EQ(file->Clear(0, 8), Status::kWouldBlock);
    EXPECT_EQ(end, data.size());
    context.worker = &seen;
    EXPECT_EQ(file->Write(0, some, true, &end).value(), 8u);
    EXPECT_EQ(end, 8u);
  });
  EXPECT_EQ(file->Resize(0), Status::kOk);
  caller.Wait();
  EXPECT_TRUE(seen);
  EXPECT_EQ(file->Size(), 8u);
  file->Dispose();
}

}  // namespace
}  // namespace k42::fs
