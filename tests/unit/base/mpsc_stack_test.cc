#include "base/mpsc_stack.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <thread>
#include <vector>

#include "model/interleave.h"

namespace k42 {
namespace {

struct Element {
  Element* next = nullptr;
  int producer = 0;
  int number = 0;
};

TEST(MpscStack, OldestFirst) {
  MpscStack<Element, &Element::next> queue;
  Element elements[3];
  EXPECT_TRUE(queue.Push(&elements[0]));
  EXPECT_FALSE(queue.Push(&elements[1]));
  EXPECT_FALSE(queue.Push(&elements[2]));
  Element* first = queue.TakeAll();
  EXPECT_EQ(first, &elements[0]);
  EXPECT_EQ(first->next, &elements[1]);
  EXPECT_EQ(first->next->next, &elements[2]);
  EXPECT_EQ(first->next->next->next, nullptr);
  EXPECT_TRUE(queue.empty());
  EXPECT_TRUE(queue.Push(&elements[1]));
}

// The protocol of CPU messages: who finds the queue empty rings; the consumer sleeps on the bell.
// In every interleaving all elements arrive, each producer's in order, and nobody sleeps for ever.
TEST(MpscStack, EveryInterleavingOfTwoProducersWakesTheConsumer) {
  struct World {
    MpscStack<Element, &Element::next, model::Atomic> queue;
    model::Doorbell bell;
    std::array<Element, 3> elements;
    std::vector<Element*> received;
  };
  const model::Exploration result = model::Explore([] {
    auto world = std::make_shared<World>();
    const auto produce = [world](int producer, int count) {
      for (int i = 0; i < count; ++i) {
        Element& element = world->elements[static_cast<std::size_t>(producer * 2 + i)];
        element.producer = producer;
        element.number = i;
        if (world->queue.Push(&element)) {
          world->bell.Ring();
        }
      }
    };
    const auto consume = [world] {
      while (world->received.size() < world->elements.size()) {
        world->bell.Wait();
        for (Element* e = world->queue.TakeAll(); e != nullptr; e = e->next) {
          world->received.push_back(e);
        }
      }
    };
    return model::Program{{[produce] { produce(0, 2); }, [produce] { produce(1, 1); }, consume},
                          [world]() -> std::string {
                            int next[2] = {0, 0};
                            for (const Element* e : world->received) {
                              if (e->number != next[e->producer]++) {
                                return "out of a producer's order";
                              }
                            }
                            return "";
                          }};
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
  EXPECT_GT(result.executions, 10u);
}

TEST(MpscStack, RealThreads) {
  constexpr int kEach = 20000;
  MpscStack<Element, &Element::next> queue;
  std::vector<Element> elements[2];
  std::vector<std::thread> producers;
  for (int producer = 0; producer < 2; ++producer) {
    elements[producer].resize(kEach);
    producers.emplace_back([&, producer] {
      for (int i = 0; i < kEach; ++i) {
        elements[producer][static_cast<std::size_t>(i)].producer = producer;
        elements[producer][static_cast<std::size_t>(i)].number = i;
        queue.Push(&elements[producer][static_cast<std::size_t>(i)]);
      }
    });
  }
  int next[2] = {0, 0};
  while (next[0] + next[1] < 2 * kEach) {
    for (Element* e = queue.TakeAll(); e != nullptr; e = e->next) {
      ASSERT_EQ(e->number, next[e->producer]++);
    }
  }
  for (std::thread& producer : producers) {
    producer.join();
  }
}

}  // namespace
}  // namespace k42
