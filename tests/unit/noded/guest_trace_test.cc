// What the daemon reads of a guest's trace buffers when something is wrong: a reader that comes too
// late, a program that writes nonsense over its own buffer, a buffer that changes hands, an area
// that names memory that is not there. Losses are exact, nothing torn is shown, and what one
// program does to its buffer is nobody else's matter.
#include "cluster-services/noded/guest_trace.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "abi/trace_catalogue.h"

namespace k42::noded {
namespace {

using trace::EventBuffer;
using trace::kCpuBlockBytes;
using trace::kTraceBlocks;
using trace::kUserBlockBytes;
using CpuBuffer = EventBuffer<std::atomic, kCpuBlockBytes, kTraceBlocks>;
using UserBuffer = EventBuffer<std::atomic, kUserBlockBytes, kTraceBlocks>;

// Where things lie in the RAM of this guest.
constexpr std::uint64_t kAreaAt = trace::kTraceSearchFrom + 16 * 4096;
constexpr std::uint64_t kCpuAt = 4 << 20, kUsersAt = 5 << 20, kUserStep = 1 << 16;
constexpr std::uint64_t kRamSize = 8 << 20;
constexpr std::uint32_t kHonest = 0, kNasty = 1, kProcess = 100;

class GuestTraceTest : public ::testing::Test {
 protected:
  GuestTraceTest() {
    const int fd = memfd_create("guest", 0);
    EXPECT_EQ(ftruncate(fd, kRamSize), 0);
    ram_ =
        static_cast<std::byte*>(mmap(nullptr, kRamSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    memory_.Add(0, kRamSize, interconnect::UniqueFd(fd), 0);
    area().magic[0] = trace::kAreaMagic[0];
    area().magic[1] = trace::kAreaMagic[1];
    area().version = trace::kAreaVersion;
    area().size = sizeof(trace::TraceArea);
    area().cpus = 1;
    area().buffers[0] = kCpuAt;
    for (const std::uint32_t user : {kHonest, kNasty}) Show(user, kUsersAt + user * kUserStep);
  }
  ~GuestTraceTest() override { munmap(ram_, kRamSize); }

  trace::TraceArea& area() { return *reinterpret_cast<trace::TraceArea*>(ram_ + kAreaAt); }
  CpuBuffer& cpu() { return *reinterpret_cast<CpuBuffer*>(ram_ + kCpuAt); }
  UserBuffer& user(std::uint32_t index) {
    return *reinterpret_cast<UserBuffer*>(ram_ + kUsersAt + index * kUserStep);
  }
  void Show(std::uint32_t index, std::uint64_t address) {
    trace::UserTrace& shown = area().users[index];
    shown.address = address;
    shown.process = kProcess + index;
    shown.turn.fetch_add(shown.turn.load() % 2 == 0 ? 1 : 2);
  }
  // Event n of a buffer says n three times.
  template <typename Buffer>
  void Write(Buffer& buffer, std::uint64_t count) {
    std::uint64_t& next = written_[&buffer];
    for (std::uint64_t i = 0; i < count; ++i, ++next)
      buffer.Write(
          trace::kUserMark.header(), [&] { return next; }, next, next, next);
  }

  struct Told {
    control::TraceChunk chunk{};
    std::vector<std::uint64_t> events;  // their numbers
    bool torn = false;
  };
  // One poll, by source and number; the stream must be whole whatever is in the buffers.
  std::map<std::pair<control::TraceSource, std::uint32_t>, Told> Poll(bool last = true) {
    std::string text;
    EXPECT_TRUE(guest_.Poll(last, &text));
    std::map<std::pair<control::TraceSource, std::uint32_t>, Told> told;
    for (std::size_t at = 0; at < text.size();) {
      Told one;
      if (text.size() - at < sizeof one.chunk) {
        ADD_FAILURE() << "a chunk is cut off";
        break;
      }
      std::memcpy(&one.chunk, text.data() + at, sizeof one.chunk);
      at += sizeof one.chunk;
      if (one.chunk.words > (text.size() - at) / 8) {
        ADD_FAILURE() << "a chunk says that it is longer than it is";
        break;
      }
      std::vector<std::uint64_t> words(one.chunk.words);
      std::memcpy(words.data(), text.data() + at, 8 * words.size());
      at += 8 * words.size();
      for (std::size_t i = 0; i + 4 <= words.size();) {
        const trace::Header header = trace::Header::Unpack(words[i + 2]);
        one.torn |= header.words < 2 || i + 2 + header.words > words.size();
        if (one.torn)
          break;
        one.events.push_back(words[i]);
        for (std::size_t k = 1; k < header.words; ++k) one.torn |= words[i + 2 + k] != words[i];
        i += 2 + header.words;
      }
      told[{one.chunk.source, one.chunk.number}] = std::move(one);
    }
    return told;
  }
  // All that was written is there or counted, in order, and whole.
  template <typename Buffer>
  void ExpectExact(const Told& told, Buffer& buffer) {
    EXPECT_FALSE(told.torn);
    EXPECT_TRUE(std::is_sorted(told.events.begin(), told.events.end()));
    EXPECT_EQ(told.chunk.seen + told.chunk.lost, written_[&buffer]);
    EXPECT_EQ(told.chunk.logged, written_[&buffer]);
    const std::uint64_t last = written_[&buffer] - 1;
    EXPECT_EQ(told.events.empty() ? last : told.events.back(), last);
  }

  std::byte* ram_;
  interconnect::GuestMemory memory_;
  GuestTrace guest_{memory_};
  std::map<void*, std::uint64_t> written_;
};

constexpr auto kCpu = std::pair{control::TraceSource::kCpu, 0u};
constexpr auto kHonestOne = std::pair{control::TraceSource::kProgram, kProcess + kHonest};
constexpr auto kNastyOne = std::pair{control::TraceSource::kProgram, kProcess + kNasty};

TEST_F(GuestTraceTest, AReaderThatLagsCountsWhatItMissed) {
  std::uint64_t seen = 0;
  for (const std::uint64_t burst : {10, 5000, 1, 900, 20000, 3}) {
    Write(cpu(), burst);
    Write(user(kHonest), burst);
    auto told = Poll();
    ExpectExact(told[kCpu], cpu());
    ExpectExact(told[kHonestOne], user(kHonest));
    seen += told[kHonestOne].events.size();
    EXPECT_EQ(told[kHonestOne].chunk.seen, seen);
  }
  EXPECT_GT(Poll()[kHonestOne].chunk.lost, 20000u);
}

TEST_F(GuestTraceTest, AProgramThatScribblesHarmsNobodyElse) {
  std::mt19937_64 random(7);
  auto* words = reinterpret_cast<std::uint64_t*>(&user(kNasty));
  constexpr std::size_t kWords = sizeof(UserBuffer) / 8;
  for (int round = 0; round < 500; ++round) {
    SCOPED_TRACE(round);
    Write(cpu(), random() % 3000);
    Write(user(kHonest), random() % 1500);
    switch (round % 4) {
      case 0:  // all of it
        for (std::size_t i = 0; i < kWords; ++i) words[i] = random() >> random() % 64;
        break;
      case 1:  // the head only: it counts what was never there
        for (std::size_t i = 0; i < trace::kTraceHeadBytes / 8; ++i)
          words[i] = random() >> random() % 64;
        break;
      case 2:  // records only
        for (std::size_t i = trace::kTraceHeadBytes / 8; i < kWords; ++i)
          words[i] = random() >> random() % 64;
        break;
      default:
        std::memset(words, round % 8 == 3 ? 0xff : 0, sizeof(UserBuffer));
    }
    auto told = Poll(round % 2 == 0);
    ExpectExact(told[kCpu], cpu());
    ExpectExact(told[kHonestOne], user(kHonest));
    EXPECT_LE(told[kNastyOne].chunk.words, 4 * kWords);  // no more than there is memory for
  }
  // The next owner of the entry begins anew.
  std::memset(words, 0, sizeof(UserBuffer));
  Show(kNasty, kUsersAt + kNasty * kUserStep);
  Write(user(kNasty), 5);
  auto told = Poll();
  ExpectExact(told[kNastyOne], user(kNasty));
  EXPECT_EQ(told[kNastyOne].chunk.seen, 5u);
}

// Whatever the area says: the kernel may have been overwritten by itself.
TEST_F(GuestTraceTest, MemoryThatIsNotThereIsAnEmptyBuffer) {
  for (const std::uint64_t address :
       std::initializer_list<std::uint64_t>{kRamSize, kRamSize - 8, ~0ull - 7, 1ull << 63}) {
    Show(kNasty, address);
    EXPECT_TRUE(Poll()[kNastyOne].events.empty());
  }
  Show(kNasty, kUsersAt + kNasty * kUserStep);
  Write(user(kNasty), 3);
  ExpectExact(Poll()[kNastyOne], user(kNasty));
  area().cpus = trace::kAreaMaxCpus + 1;
  std::string text;
  EXPECT_FALSE(guest_.Poll(true, &text));
}

}  // namespace
}  // namespace k42::noded
