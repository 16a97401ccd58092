// Pads of those who have put and are gone, over the daemon's end of the link: a death of which no
// daemon speaks is seen in the view.
#include "global/put_echo.h"

#include <gtest/gtest.h>

#include <atomic>
#include <utility>

#include "interconnect/link_host.h"

namespace k42::interconnect {
namespace {

constexpr std::uint64_t kArenaSize = 16 << 20;
constexpr std::uint32_t kPads = 4;
constexpr global::LinkPeer kFirst{2, 88}, kSecond{3, 99};

class Bell final : public global::LinkDoorbell {
 public:
  void Kick(machine::CpuId) override {}
};

// What no peer does by itself: ends everything as done. What was sent is kept.
class Everything final : public Transport {
 public:
  explicit Everything(Arena& arena) : arena_(arena) {}
  std::string_view Name() const override { return "everything"; }
  std::string LocalAddress() const override { return {}; }
  void SetIdentity(const LocalIdentity&) override {}
  void AddPeer(const PeerInfo&) override {}
  void RemovePeer(PeerId, Status) override {}
  void Submit(const Request& request) override {
    const std::byte* message = arena_.At(request.local_offset);
    sent.assign(message, message + request.length);
    word = request.operand;
    ++submitted;
    held.push_back(request.token);
    if (!holds)
      LetEnd();
  }
  void LetEnd() {
    for (const Token token : std::exchange(held, {}))
      events->OnCompletion({token, Outcome::kDone, Status::kOk, 0});
  }
  void RevokeWindow(Token token, abi::WindowId) override {
    ++revoked;
    events->OnCompletion({token, Outcome::kDone, Status::kOk, 0});
  }
  std::size_t Progress() override { return 0; }
  int WaitFd() const override { return -1; }
  bool Arm() override { return true; }
  std::uint64_t NextTimer() const override { return 0; }

  Events* events = nullptr;
  std::vector<std::byte> sent;
  std::uint64_t word = 0;  // of the last notification
  int submitted = 0;
  bool holds = false;  // ends come late
  std::vector<Token> held;
  int revoked = 0;

 private:
  Arena& arena_;
};

class PutEchoTest : public ::testing::Test {
 protected:
  PutEchoTest() {
    EXPECT_EQ(port_.Start(arena_->At(0), kArenaSize, 1, bell_), Status::kOk);
    EXPECT_EQ(host_.Attach(), Status::kOk);
    transport_.events = &host_;
    LocalIdentity identity;
    identity.self = {1, 77};
    host_.GoUp(identity, 5);
    host_.Open();
    Install(1, {{1, 77}, kFirst, kSecond});
  }
  void Install(std::uint64_t epoch, const std::vector<global::LinkPeer>& members) {
    abi::ViewHeader header{epoch, static_cast<std::uint32_t>(members.size()), 0};
    std::vector<std::byte> payload(sizeof header);
    std::memcpy(payload.data(), &header, sizeof header);
    for (const global::LinkPeer& one : members) {
      abi::ViewMember member{};
      member.node = one.node;
      member.incarnation = one.incarnation;
      const auto bytes = std::as_bytes(std::span(&member, 1));
      payload.insert(payload.end(), bytes.begin(), bytes.end());
    }
    ASSERT_EQ(view_.Install(payload), Status::kOk);
  }
  // Window, pad and CPU, as the messages have them.
  struct Opened {
    abi::WindowId window;
    std::uint32_t pad;
    std::uint32_t cpu;
  };
  void Settle() {
    while (host_.Serve() + port_.Drain() != 0) {
    }
  }
  // The window that `from` gets for what its CPU puts; 0: none.
  abi::WindowId Open(global::LinkPeer from, std::uint32_t cpu) {
    const Opened asked{1, 0, cpu};
    abi::Frame frame{};
    frame.kind = abi::FrameKind::kEcho;
    frame.method = global::PutEcho::kOpenMethod;
    puts_.OnMessage(from, frame, std::as_bytes(std::span(&asked, 1)));
    Settle();
    Opened answer{};
    EXPECT_EQ(transport_.sent.size(), sizeof(abi::Frame) + sizeof answer);
    std::memcpy(&answer, transport_.sent.data() + sizeof(abi::Frame), sizeof answer);
    return answer.window;
  }

  MonotonicClock clock_;
  Bell bell_;
  const std::unique_ptr<Arena> arena_ = Arena::CreateFormatted(kArenaSize, 1);
  Everything transport_{*arena_};
  LinkHost host_{*arena_,
                 {.call = [](std::uint32_t) {},
                  .route = [this](PeerId) { return &transport_; },
                  .is_member = [](PeerId) { return true; },
                  .transports = [this] { return std::vector<Transport*>{&transport_}; },
                  .on_control = [](const abi::Frame&, std::span<const std::byte>) {}},
                 clock_};
  global::LinkPort port_;
  global::ClusterView view_;
  global::PutEcho puts_{port_, view_};
};

TEST_F(PutEchoTest, PadsOfOneThatHasLeftTheViewAreGivenUp) {
  for (std::uint32_t cpu = 0; cpu < kPads; ++cpu) EXPECT_NE(Open(kFirst, cpu), 0u);
  EXPECT_EQ(Open(kSecond, 0), 0u);  // they are all taken
  Install(2, {{1, 77}, kSecond});
  const std::uint64_t free = port_.memory().free_chunks();
  Open(kSecond, 0);  // gives them up; they are free when that is done
  EXPECT_EQ(transport_.revoked, static_cast<int>(kPads));
  EXPECT_EQ(port_.memory().free_chunks(), free + kPads);
  EXPECT_NE(Open(kSecond, 0), 0u);
}

// The asker has the answer, and asks anew, before the answerer has seen the end of its put.
TEST_F(PutEchoTest, APutThatComesBeforeTheLastAnswersEndIsAnsweredBehindIt) {
  EXPECT_NE(Open(kFirst, 0), 0u);
  transport_.holds = true;
  constexpr std::uint64_t kLength = std::uint64_t{8} << 41, kAnswer = std::uint64_t{1} << 40;
  puts_.OnNotify(kFirst, kLength | 1);
  Settle();
  EXPECT_EQ(transport_.word, kLength | kAnswer | 1);
  puts_.OnNotify(kFirst, kLength | 2);
  Settle();
  EXPECT_EQ(transport_.word, kLength | kAnswer | 1);
  transport_.LetEnd();
  Settle();
  EXPECT_EQ(transport_.word, kLength | kAnswer | 2);
  transport_.LetEnd();
  Settle();
}

// The answer is there, the good end of the put is not seen: nobody wakes for it.
TEST_F(PutEchoTest, AnAnswerIsEnough) {
  transport_.holds = true;
  Result<std::uint64_t> took = Status::kWouldBlock;
  std::atomic<bool> over{false};
  auto ping = [&] {
    took = puts_.Ping(kFirst, 8, 60'000'000'000);
    over.store(true);
  };
  const auto run = [](void* work) { (*static_cast<decltype(ping)*>(work))(); };
  ASSERT_TRUE(machine::Thread::Create("ping", run, &ping, 0).ok());
  const auto until_submitted = [&](int count) {
    for (int i = 0; i < 10'000 && transport_.submitted < count; ++i) {
      machine::Thread::Yield();
      Settle();
    }
    return transport_.submitted == count;
  };
  ASSERT_TRUE(until_submitted(1));
  abi::Frame frame{};
  frame.kind = abi::FrameKind::kEchoReply;
  frame.method = global::PutEcho::kOpenMethod;
  frame.sequence = 1;
  const Opened answer{1, 0, 0};
  puts_.OnMessage(kFirst, frame, std::as_bytes(std::span(&answer, 1)));
  for (int i = 0; i < 10; ++i) machine::Thread::Yield();
  EXPECT_EQ(transport_.submitted, 1);  // its request is the fabric's still
  transport_.LetEnd();
  ASSERT_TRUE(until_submitted(2));
  puts_.OnNotify(kFirst, transport_.word | std::uint64_t{1} << 40);
  for (int i = 0; i < 10'000 && !over.load(); ++i) machine::Thread::Yield();
  EXPECT_TRUE(over.load());
  EXPECT_EQ(took.status(), Status::kCorrupt);  // nobody has put the bytes back
  transport_.LetEnd();
  Settle();
}

}  // namespace
}  // namespace k42::interconnect
