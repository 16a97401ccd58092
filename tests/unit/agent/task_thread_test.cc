// A thread for tasks: in order, and what becomes of one that throws.
#include "cluster-services/agent/task_thread.h"

#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <vector>

namespace k42::agent {
namespace {

TEST(TaskThread, TasksRunInTheirOrder) {
  std::vector<int> ran;
  std::promise<void> last;
  TaskThread thread;
  for (int i = 0; i < 3; ++i) thread.Post([&ran, i] { ran.push_back(i); });
  thread.Post([&last] { last.set_value(); });
  last.get_future().wait();
  EXPECT_EQ(ran, (std::vector<int>{0, 1, 2}));
}

TEST(TaskThreadDeathTest, ATaskThatThrowsIsNamed) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto post_and_wait = [] {
    TaskThread thread;
    thread.Post([] { throw std::runtime_error("no such number"); });
    std::promise<void>().get_future().wait();
  };
  EXPECT_DEATH(post_and_wait(), "task_thread_test.cc:[0-9]+ threw: no such number");
}

}  // namespace
}  // namespace k42::agent
