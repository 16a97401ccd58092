// Asynchronous messages: order, who is woken, who is told that there is room.
#include "ipc/message_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace k42::ipc {
namespace {

using Queue = MessageQueue<int>;
using Pushed = Queue::Pushed;

Message Numbered(std::uint64_t number) {
  Message message;
  message.words[0] = number;
  return message;
}

TEST(MessageQueue, WakesOnceForEachChangeFromEmpty) {
  Queue queue;
  Message message;
  std::uint32_t tell = 0;
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(queue.Push(Numbered(0)), Pushed::kFirst);
    for (std::uint32_t i = 1; i < Queue::kMessages; ++i)
      EXPECT_EQ(queue.Push(Numbered(i)), Pushed::kMore);
    EXPECT_EQ(queue.Push(Numbered(99)), Pushed::kFull);
    for (std::uint32_t i = 0; i < Queue::kMessages; ++i) {
      ASSERT_TRUE(queue.Take(&message, &tell));
      EXPECT_EQ(message.words[0], i);
      EXPECT_EQ(tell, 0u);
    }
    EXPECT_FALSE(queue.Take(&message, &tell));
  }
}

TEST(MessageQueue, EachWaiterIsToldOnceInOrder) {
  Queue queue;
  for (std::uint32_t i = 0; i < Queue::kMessages; ++i) (void)queue.Push(Numbered(i));
  for (int waiter = 0; waiter < 3; ++waiter) EXPECT_TRUE(queue.AddWaiter(waiter));
  Message message;
  std::uint32_t tell = 0;
  for (int waiter = 0; waiter < 3; ++waiter) {
    ASSERT_TRUE(queue.Take(&message, &tell));
    ASSERT_EQ(tell, 1u);
    int told = -1;
    ASSERT_TRUE(queue.TakeWaiter(&told));
    EXPECT_EQ(told, waiter);
  }
  ASSERT_TRUE(queue.Take(&message, &tell));
  EXPECT_EQ(tell, 0u);
}

TEST(MessageQueue, WaitersAreBounded) {
  Queue queue;
  while (queue.Push({}) != Pushed::kFull) {
  }
  for (std::uint32_t i = 0; i < Queue::kWaiters; ++i) EXPECT_TRUE(queue.AddWaiter(1));
  EXPECT_FALSE(queue.AddWaiter(1));
  int told = 0;
  for (std::uint32_t i = 0; i < Queue::kWaiters; ++i) EXPECT_TRUE(queue.TakeWaiter(&told));
  EXPECT_FALSE(queue.TakeWaiter(&told));
}

// Against a plain queue: nothing is lost or doubled, nobody who waits is forgotten when it empties.
TEST(MessageQueue, RandomTraffic) {
  std::mt19937 random(7);
  Queue queue;
  std::deque<std::uint64_t> model;
  std::deque<int> waiting;
  std::uint64_t next = 0;
  int waiters = 0;
  for (int step = 0; step < 200'000; ++step) {
    if (random() % 100 < (step / 1000 % 2 == 0 ? 60u : 40u)) {
      const Pushed pushed = queue.Push(Numbered(next));
      if (pushed == Pushed::kFull) {
        EXPECT_EQ(model.size(), std::size_t{Queue::kMessages});
        if (queue.AddWaiter(waiters))
          waiting.push_back(waiters++);
        continue;
      }
      EXPECT_EQ(pushed == Pushed::kFirst, model.empty());
      model.push_back(next++);
      continue;
    }
    Message message;
    std::uint32_t tell = 0;
    const bool took = queue.Take(&message, &tell);
    ASSERT_EQ(took, !model.empty());
    if (!took)
      continue;
    EXPECT_EQ(message.words[0], model.front());
    model.pop_front();
    for (std::uint32_t i = 0; i < tell; ++i) {
      ASSERT_FALSE(waiting.empty());
      int told = -1;
      ASSERT_TRUE(queue.TakeWaiter(&told));
      EXPECT_EQ(told, waiting.front());
      waiting.pop_front();
    }
    EXPECT_TRUE(!model.empty() || waiting.empty());
  }
}

}  // namespace
}  // namespace k42::ipc
