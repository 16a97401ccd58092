// Buffers that programs record into: the entries that the host sees, from taking to being taken
// over.
#include "proc/trace_buffers.h"

#include <gtest/gtest.h>

#include <vector>

#include "trace/trace.h"
#include "trace/user_buffer.h"
#include "unit/mem/test_space.h"

namespace k42::proc {
namespace {

const trace::UserTrace* Shown(std::uint32_t process) {
  const trace::UserTrace* found = nullptr;
  for (const trace::UserTrace& user : k42_trace_area.users) {
    if (user.turn.load() % 2 == 1 && user.process == process)
      found = &user;
  }
  return found;
}

TEST(TraceBuffers, AnEntryOutlivesItsProcessUntilItIsWanted) {
  mem::TestServices test;
  {
    TraceBuffers buffers(test.services);
    std::vector<TraceBuffers::Entry*> taken;
    for (std::uint32_t process = 1; process <= trace::kMaxUserTraces; ++process)
      taken.push_back(buffers.Take(process).value());
    const trace::UserTrace* seventh = Shown(7);
    ASSERT_NE(seventh, nullptr);
    EXPECT_EQ(seventh->address, taken[6]->pages()->address());
    EXPECT_EQ(seventh->ended, 0u);
    EXPECT_EQ(buffers.Take(1000).status(), Status::kLimitExceeded);
    EXPECT_EQ(Shown(1000), nullptr);

    buffers.End(taken[6]);
    buffers.End(taken[2]);
    EXPECT_EQ(Shown(7), seventh);
    EXPECT_EQ(seventh->ended, 1u);
    const std::uint64_t turn = seventh->turn.load();
    // The longest ended goes first, and whoever is reading it sees that it went.
    ASSERT_TRUE(buffers.Take(1001).ok());
    EXPECT_EQ(Shown(1001), seventh);
    EXPECT_EQ(seventh->turn.load(), turn + 2);
    EXPECT_EQ(seventh->ended, 0u);
    EXPECT_EQ(Shown(7), nullptr);
    EXPECT_NE(Shown(3), nullptr);
    ASSERT_TRUE(buffers.Take(1002).ok());
    EXPECT_EQ(Shown(3), nullptr);
    EXPECT_EQ(buffers.Take(1003).status(), Status::kLimitExceeded);
  }
  EXPECT_EQ(Shown(1), nullptr);  // and no frame is lost: TestServices looks
}

TEST(TraceBuffers, NoMemoryIsAnErrorAndTakesNoEntry) {
  mem::TestServices test(2ull << 20);
  TraceBuffers buffers(test.services);
  std::uint32_t process = 1;
  while (process <= trace::kMaxUserTraces && buffers.Take(process).ok()) ++process;
  ASSERT_LE(process, trace::kMaxUserTraces) << "the memory was to run out";
  EXPECT_EQ(buffers.Take(process).status(), Status::kNoMemory);
  EXPECT_EQ(Shown(process), nullptr);
}

}  // namespace
}  // namespace k42::proc
