#include "trace/event_buffer.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "model/interleave.h"
#include "trace/trace.h"

namespace k42::trace {
namespace {

constexpr Event<u64> kProbe{Class::kUser, 1000, "probe", "{}"};
constexpr Event<u64, u64, u64> kWide{Class::kUser, 1001, "wide", "{} {} {}"};

struct Seen {
  std::uint64_t time;
  std::uint32_t number;
  std::vector<std::uint64_t> arguments;
};
template <typename Buffer>
std::vector<Seen> ReadAll(const Buffer& buffer) {
  std::vector<Seen> seen;
  buffer.ForEach([&](std::uint64_t time, const Header& header, std::span<const std::uint64_t> a) {
    if (header.number >= 1000) {
      seen.push_back({time, header.number, {a.begin(), a.end()}});
    }
  });
  return seen;
}

TEST(EventBuffer, RecordsComeBackInOrderWithFullTime) {
  using Buffer = EventBuffer<std::atomic, 32, 4>;
  std::vector<std::uint64_t> memory(Buffer::kWords);
  Buffer buffer(memory.data());
  std::uint64_t now = 0x1'ffff'fff0;
  const std::uint64_t start = now;
  for (std::uint64_t i = 0; i < 20; ++i) {
    const std::uint64_t argument[] = {i};
    buffer.Write(kProbe.info, argument, [&] { return now++; });
  }
  const std::vector<Seen> seen = ReadAll(buffer);
  ASSERT_EQ(seen.size(), 20u);
  for (std::uint64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(seen[i].arguments, std::vector<std::uint64_t>{i});
    EXPECT_EQ(seen[i].time, start + i);
  }
}

TEST(EventBuffer, OldBlocksAreOverwritten) {
  using Buffer = EventBuffer<std::atomic, 32, 4>;
  std::vector<std::uint64_t> memory(Buffer::kWords);
  Buffer buffer(memory.data());
  std::uint64_t now = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::uint64_t arguments[] = {i, i + 1, i + 2};
    buffer.Write(kWide.info, arguments, [&] { return now++; });
  }
  const std::vector<Seen> seen = ReadAll(buffer);
  ASSERT_GE(seen.size(), 3u * 7);  // three whole blocks of (32 - 3) / 4 records
  EXPECT_EQ(seen.back().arguments[0], 999u);
  for (std::size_t i = 1; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i].arguments[0], seen[i - 1].arguments[0] + 1);
  }
}

// Two writers over the end of a block: in every interleaving each record is whole and there once.
TEST(EventBuffer, EveryInterleavingOfTwoWriters) {
  using Buffer = EventBuffer<model::Atomic, 16, 2>;
  struct World {
    std::vector<std::uint64_t> memory = std::vector<std::uint64_t>(Buffer::kWords);
    Buffer buffer{memory.data()};
    std::uint64_t clock = 0;
  };
  const model::Exploration result = model::Explore([] {
    auto world = std::make_shared<World>();
    const auto write = [world](std::uint64_t who) {
      for (std::uint64_t i = 0; i < 2; ++i) {
        const std::uint64_t arguments[] = {who, i, who * 10 + i};
        world->buffer.Write(kWide.info, arguments, [&] { return world->clock++; });
      }
    };
    return model::Program{{[write] { write(1); }, [write] { write(2); }}, [world]() -> std::string {
                            int found = 0;
                            for (std::uint64_t at = 0; at < 23;) {
                              const Header header = Header::Unpack(world->memory[at]);
                              if (header.words == 0) {
                                return "a hole at word " + std::to_string(at);
                              }
                              found += header.number == 1001 ? 1 : 0;
                              at += header.words;
                            }
                            return found == 4 ? "" : std::to_string(found) + " of 4 records";
                          }};
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
}

TEST(Trace, MaskByName) {
  EXPECT_EQ(ParseMask("thread,memory"), MaskOf(Class::kThread) | MaskOf(Class::kMemory));
  EXPECT_EQ(ParseMask("all"), (1u << kClassCount) - 1);
  EXPECT_EQ(ParseMask("nonsense,,"), 0u);
}

TEST(Trace, OffUntilMaskedIn) {
  static std::vector<std::uint64_t> memory(kBufferBytes / 8 + 8);
  Start(0, memory.data());
  Log(kThreadSwitch, 1, 2);
  EXPECT_EQ(BufferOf(0)->words_written(), 0u);
  SetMask(MaskOf(Class::kThread));
  Log(kThreadSwitch, 1, 2);
  EXPECT_GT(BufferOf(0)->words_written(), 0u);
  SetMask(0);
}

TEST(Trace, Description) {
  char text[100];
  const std::uint64_t arguments[] = {3, 4};
  const Header header{0, 3, 1, kThreadSwitch.info.number};
  EXPECT_EQ(std::string(text, Describe(header, arguments, text)), "thread_switch: from 3 to 4");
}

}  // namespace
}  // namespace k42::trace
