// The trace buffer's protocol: what a reader sees, and every interleaving.
#include "abi/trace_buffer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "abi/trace_reader.h"
#include "model/interleave.h"

namespace k42::trace {
namespace {

constexpr Event<std::uint64_t> kProbe{Class::kUser, 1000, "probe", "{}"};
constexpr Event<std::uint64_t, std::uint64_t, std::uint64_t> kWide{Class::kUser, 1001, "wide",
                                                                   "{} {} {}"};

struct Seen {
  std::uint64_t time;
  std::uint64_t sequence;
  std::vector<std::uint64_t> arguments;
};

template <template <typename> typename Atomic, int kTries = 64, typename Buffer>
std::vector<Seen> ReadOn(const Buffer& buffer, ReadState* state, bool leave_nothing = false) {
  std::vector<Seen> seen;
  InPlace<Atomic, Buffer> memory(buffer);
  BufferReader<InPlace<Atomic, Buffer>, kTries> reader(memory, Buffer::kBlockBytes,
                                                       Buffer::kBlocks);
  reader.Visit(*state, leave_nothing, [&](const Record& record) {
    seen.push_back(
        {record.time, record.sequence, {record.arguments.begin(), record.arguments.end()}});
  });
  return seen;
}

TEST(EventBuffer, EventsComeBackInOrder) {
  using Buffer = EventBuffer<std::atomic, 256, 4>;
  auto buffer = std::make_unique<Buffer>();
  ReadState state;
  std::uint64_t next = 0;
  buffer->SetContext(77);
  for (std::uint64_t i = 0; i < 500; ++i) {
    buffer->Write(
        kProbe.header(), [i] { return 1000 + i; }, i);
    if (i % 3 != 0)
      continue;
    for (const Seen& one : ReadOn<std::atomic>(*buffer, &state)) {
      EXPECT_EQ(one.arguments, std::vector<std::uint64_t>{next});
      EXPECT_EQ(one.sequence, next);
      EXPECT_EQ(one.time, 1000 + next);
      ++next;
    }
    EXPECT_EQ(next, i + 1);
  }
  EXPECT_EQ(state.lost, 0u);
  EXPECT_EQ(state.context, 77u);
}

TEST(EventBuffer, WhatIsOverwrittenIsCounted) {
  using Buffer = EventBuffer<std::atomic, 256, 4>;
  auto buffer = std::make_unique<Buffer>();
  std::uint64_t now = 0;
  ReadState state;
  std::uint64_t written = 0;
  for (std::uint64_t burst : {10, 1000, 1, 37, 500, 38, 39, 40}) {
    for (std::uint64_t i = 0; i < burst; ++i, ++written) {
      if (written % 2 == 0)
        buffer->Write(
            kWide.header(), [&] { return now++; }, written, i, i);
      else
        buffer->Write(
            kProbe.header(), [&] { return now++; }, written);
    }
    std::uint64_t last = 0;
    for (const Seen& one : ReadOn<std::atomic>(*buffer, &state)) {
      EXPECT_EQ(one.sequence, one.arguments[0]);
      last = one.arguments[0];
    }
    EXPECT_EQ(last, written - 1);
    EXPECT_EQ(state.seen + state.lost, written);
    EXPECT_EQ(state.logged, written);
  }
  EXPECT_GT(state.lost, 500u);
}

// The halves of `state` wrap: a buffer that has written for long.
TEST(EventBuffer, CountersWrap) {
  using Buffer = EventBuffer<std::atomic, 128, 2>;
  auto buffer = std::make_unique<Buffer>();
  auto* words = reinterpret_cast<std::atomic<std::uint64_t>*>(buffer.get());
  constexpr std::uint64_t kEvents = 0xffff'fff0, kPosition = 0xffff'ff00;
  words[kStateAt / 8] = kEvents << 32 | kPosition;
  words[kEventsAt / 8] = kEvents;
  words[kPositionAt / 8] = kPosition;
  for (std::uint32_t block = 0; block < 2; ++block)
    words[kCommittedAt / 8 + block] = kPosition / Buffer::kRingBytes * Buffer::kBlockBytes;
  ReadState state;
  state.position = kPosition;
  state.next_event = kEvents;
  std::uint64_t now = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    buffer->Write(
        kProbe.header(), [&] { return now++; }, i);
    const auto seen = ReadOn<std::atomic>(*buffer, &state);
    ASSERT_EQ(seen.size(), 1u) << i;
    EXPECT_EQ(seen[0].sequence, kEvents + i);
    EXPECT_EQ(seen[0].arguments[0], i);
  }
  EXPECT_EQ(state.lost, 0u);
  EXPECT_EQ(state.logged, kEvents + 100);
}

TEST(EventBuffer, AMadeUpBufferEndsTheVisit) {
  using Buffer = EventBuffer<std::atomic, 256, 4>;
  auto buffer = std::make_unique<Buffer>();
  auto* words = reinterpret_cast<std::atomic<std::uint64_t>*>(buffer.get());
  std::uint64_t random = 1;
  for (int round = 0; round < 2000; ++round) {
    for (std::size_t i = 0; i < sizeof(Buffer) / 8; ++i) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      words[i] = round % 2 == 0 ? random : random >> 40;
    }
    ReadState state;
    EXPECT_LE(ReadOn<std::atomic>(*buffer, &state, true).size(), sizeof(Buffer) / 16);
  }
}

// -- one CPU: an interrupt after any step ---------------------------------------------------------

// An atomic that calls `interrupt` before each operation, as an interrupt on the own CPU would
// come.
std::function<void()> interrupt;
template <typename T>
class Interrupted {
 public:
  constexpr Interrupted(T value = T{}) : value_(value) {}  // NOLINT: like std::atomic
  T load(std::memory_order = std::memory_order_seq_cst) const {
    Step();
    return value_;
  }
  void store(T value, std::memory_order = std::memory_order_seq_cst) {
    Step();
    value_ = value;
  }
  void fetch_add(T by, std::memory_order = std::memory_order_seq_cst) {
    Step();
    value_ += by;
  }
  bool compare_exchange_strong(T& expected, T desired,
                               std::memory_order = std::memory_order_seq_cst) {
    Step();
    const bool equal = value_ == expected;
    (equal ? value_ : expected) = equal ? desired : value_;
    return equal;
  }

 private:
  static void Step() {
    if (interrupt)
      interrupt();
  }
  T value_;
};

// Twelve events, and at step `first` an interrupt that writes `burst` more, interrupted itself at
// its step `second`: for every pair of steps all is there, whole, in order of time, or counted.
TEST(EventBuffer, AnInterruptAtEveryStep) {
  using Buffer = EventBuffer<Interrupted, 128, 2>;
  for (const int burst : {1, 5, 12}) {
    bool more_first = true;
    for (int first = 0; more_first; ++first) {
      bool more_second = true;
      for (int second = 0; more_second; ++second) {
        auto buffer = std::make_unique<Buffer>();
        std::uint64_t clock = 0;
        int step = 0, inner_step = 0, depth = 0;
        std::uint64_t written = 0;
        more_first = more_second = false;
        auto write = [&](std::uint64_t who) {
          ++written;
          buffer->Write(
              kProbe.header(), [&] { return clock++; }, who);
        };
        interrupt = [&] {
          if (depth == 0 && step++ == first) {
            more_first = true;
            depth = 1;
            for (int i = 0; i < burst; ++i) write(2);
            depth = 2;  // no more
          } else if (depth == 1 && inner_step++ == second) {
            more_second = true;
            depth = 2;
            write(3);
            depth = 1;
          }
        };
        for (int i = 0; i < 12; ++i) write(1);
        interrupt = nullptr;
        ReadState state;
        std::uint64_t last_time = 0;
        for (const Seen& one : ReadOn<Interrupted>(*buffer, &state, true)) {
          ASSERT_EQ(one.arguments.size(), 1u);
          ASSERT_TRUE(one.arguments[0] >= 1 && one.arguments[0] <= 3);
          ASSERT_GE(one.time, last_time);
          last_time = one.time;
        }
        ASSERT_EQ(state.seen + state.lost + state.dropped, written)
            << first << " " << second << " seen " << state.seen << " lost " << state.lost;
      }
    }
  }
}

// -- other CPUs read ------------------------------------------------------------------------------

// A reader that takes copies, as the host does: fewer steps than one in place.
template <template <typename> typename Atomic, typename Buffer>
class Copied : public InPlace<Atomic, Buffer> {
 public:
  static constexpr bool kCopies = true;
  using InPlace<Atomic, Buffer>::InPlace;
  void Fetch(std::uint32_t at, std::uint32_t bytes) {
    for (std::uint32_t i = 0; i < bytes; i += 8)
      copy_[at + i] = InPlace<Atomic, Buffer>::Data(at + i);
  }
  std::uint64_t Data(std::uint32_t at) { return copy_[at]; }

 private:
  std::map<std::uint32_t, std::uint64_t> copy_;
};

// One writer, whose stores reach memory late, and a reader: what it sees is whole and in order, and
// with the gaps makes up all. The event is one within a block, one that begins a new block, and one
// that begins it over the oldest.
TEST(EventBufferModel, AReaderNeverSeesATornEvent) {
  using Buffer = EventBuffer<model::LocalAtomic, 128, 2>;
  using Memory = Copied<model::LocalAtomic, Buffer>;
  struct World {
    Buffer buffer;
    std::uint64_t clock = 0;
    ReadState state;
    std::string fault;
  };
  for (const std::uint64_t before : {1, 4, 8}) {
    const model::Exploration result = model::Explore([before] {
      auto world = std::make_shared<World>();
      auto write = [world](std::uint64_t i) {
        world->buffer.Write(
            kProbe.header(), [&] { return world->clock++; }, i);
      };
      auto read = [world] {
        Memory memory(world->buffer);
        BufferReader<Memory, 0>(memory, Buffer::kBlockBytes, Buffer::kBlocks)
            .Visit(world->state, false, [&](const Record& record) {
              if (record.arguments.size() != 1 || record.arguments[0] != record.sequence)
                world->fault = "event " + std::to_string(record.sequence) + " is torn";
            });
      };
      auto writer = [=] {
        model::SetQuiet(true);
        for (std::uint64_t i = 0; i < before; ++i) write(i);
        world->state.position = before >= 8 ? 0 : before >= 4 ? 128 : 56;  // almost all is seen
        world->state.next_event = before >= 8 ? 0 : before;
        world->state.seen = world->state.next_event;
        model::SetQuiet(false);
        write(before);
      };
      return model::Program{{writer, read}, [=]() -> std::string {
                              read();
                              if (world->state.seen + world->state.lost != before + 1)
                                return "events are missing";
                              return world->fault;
                            }};
    });
    EXPECT_TRUE(result.complete) << before << ": " << result.executions;
    EXPECT_EQ(result.failure, "");
  }
}

// Two writers, as if an interrupt ran beside what it interrupts: within a block, where one of them
// fills it, and where one begins it.
TEST(EventBufferModel, EveryInterleavingOfTwoWriters) {
  using Buffer = EventBuffer<model::Atomic, 128, 2>;
  struct World {
    Buffer buffer;
    std::uint64_t clock = 0;
  };
  for (const std::uint64_t before : {1, 3, 4}) {
    const model::Exploration result = model::Explore([before] {
      auto world = std::make_shared<World>();
      const auto write = [world](std::uint64_t who) {
        world->buffer.Write(
            kProbe.header(), [&] { return world->clock++; }, who);
      };
      const auto first = [=] {
        model::SetQuiet(true);
        for (std::uint64_t i = 0; i < before; ++i) write(0);
        model::SetQuiet(false);
        write(1);
      };
      return model::Program{{first, [=] { write(2); }}, [=]() -> std::string {
                              ReadState state;
                              std::uint64_t last = 0;
                              for (const Seen& one : ReadOn<model::Atomic>(world->buffer, &state)) {
                                if (one.time < last)
                                  return "time goes back";
                                last = one.time;
                              }
                              return state.seen == before + 2 ? "" : "not all are there";
                            }};
    });
    EXPECT_TRUE(result.complete) << before << ": " << result.executions;
    EXPECT_EQ(result.failure, "");
  }
}

// Real threads: one that writes as fast as it can, one that reads on.
TEST(EventBuffer, ReadWhileItIsWritten) {
  using Buffer = EventBuffer<std::atomic, 256, 4>;
  auto buffer = std::make_unique<Buffer>();
  constexpr std::uint64_t kEvents = 200'000;
  std::atomic<bool> over{false};
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < kEvents; ++i)
      buffer->Write(
          kWide.header(), [i] { return i; }, i, ~i, i * 3);
    over = true;
  });
  ReadState state;
  bool last_time = false;
  do {
    last_time = over;
    for (const Seen& one : ReadOn<std::atomic>(*buffer, &state)) {
      const std::uint64_t i = one.arguments[0];
      ASSERT_TRUE(one.sequence == i && one.arguments[1] == ~i && one.arguments[2] == i * 3 &&
                  one.time == i);
    }
  } while (!last_time);
  writer.join();
  EXPECT_EQ(state.seen + state.lost, kEvents);
  EXPECT_EQ(state.logged, kEvents);
}

}  // namespace
}  // namespace k42::trace
