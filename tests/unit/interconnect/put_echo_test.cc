// Pads of those who have put and are gone, over the daemon's end of the link: a death of which no
// daemon speaks is seen in the view.
#include "global/put_echo.h"

#include <gtest/gtest.h>

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
    events->OnCompletion({request.token, Outcome::kDone, Status::kOk, 0});
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
  // The window that `from` gets for what its CPU puts; 0: none.
  abi::WindowId Open(global::LinkPeer from, std::uint32_t cpu) {
    const Opened asked{1, 0, cpu};
    abi::Frame frame{};
    frame.kind = abi::FrameKind::kEcho;
    frame.method = global::PutEcho::kOpenMethod;
    puts_.OnMessage(from, frame, std::as_bytes(std::span(&asked, 1)));
    while (host_.Serve() + port_.Drain() != 0) {
    }
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

}  // namespace
}  // namespace k42::interconnect
