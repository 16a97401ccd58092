// A neighbour that speaks nonsense is heard no more, and is waited for all the same as long as it
// may have the arena mapped: until it closes.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "interconnect/handshake.h"
#include "interconnect/mapped_packet.h"
#include "unit/interconnect/test_fabric.h"

namespace k42::interconnect {
namespace {

constexpr Token kRevocation = 777;

// Node 2 as somebody who speaks to node 1's socket by hand.
class Nonsense : public ::testing::Test {
 protected:
  void SetUp() override {
    Initiator handshake(fabric_.node(2).identity, TestFabric::InfoOf(target()));
    socket_ = ConnectUnix(target().address(), SOCK_SEQPACKET);
    ASSERT_TRUE(socket_);
    const Hello hello = handshake.Start();
    Say(PacketType::kHello, std::as_bytes(std::span(&hello, 1)));
    Confirm confirm;
    ASSERT_EQ(handshake.OnWelcome(Hear(PacketType::kWelcome), &confirm), Status::kOk);
    Say(PacketType::kConfirm, std::as_bytes(std::span(&confirm, 1)));
    ASSERT_EQ(Hear(PacketType::kReady).size(), sizeof(ArenaPlace));
    window_ = target().Open(1, 0, 4096, abi::kAccessAll, {});
  }
  TestNode& target() { return fabric_.node(1); }
  void Say(PacketType type, std::span<const std::byte> body) {
    PacketHeader header{};
    header.type = type;
    ASSERT_EQ(SendPacket(socket_.get(), header, body), Transfer::kDone);
  }
  void SayNonsense() {
    ASSERT_EQ(SendUnix(socket_.get(), std::as_bytes(std::span("nonsense")), {}), Transfer::kDone);
  }
  std::span<const std::byte> Hear(PacketType wanted) {
    std::size_t size = 0;
    std::vector<UniqueFd> fds;
    EXPECT_TRUE(fabric_.Until([&] {
      return size != 0 || ReceiveUnix(socket_.get(), buffer_, &size, &fds) == Transfer::kDone;
    }));
    PacketHeader header{};
    std::span<const std::byte> body;
    EXPECT_EQ(ParsePacket(std::span(buffer_).first(size), &header, &body), Status::kOk);
    EXPECT_EQ(header.type, wanted);
    return body;
  }
  bool IsDown() { return target().recorder.down == std::vector{fabric_.node(2).id()}; }
  void Revoke() {
    target().CloseWindow(1);
    target().RevokeWindow(kRevocation, window_);
  }
  bool Revoked() { return target().recorder.Find(kRevocation) != nullptr; }

  TestFabric fabric_{MakeMappedKind(), 2};
  UniqueFd socket_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kMaxPacket);
  abi::WindowId window_ = 0;
};

TEST_F(Nonsense, IsWaitedForUntilItCloses) {
  SayNonsense();
  ASSERT_TRUE(fabric_.Until([this] { return IsDown(); }));
  SayNonsense();  // to one that does not listen any more
  fabric_.Wait(50'000'000);
  Revoke();
  fabric_.Wait(200'000'000);
  EXPECT_FALSE(Revoked());
  socket_.Reset();
  EXPECT_TRUE(fabric_.Until([this] { return Revoked(); }));
}

TEST_F(Nonsense, BeforeItsEndIsAnEndLikeAnother) {
  SayNonsense();
  socket_.Reset();
  ASSERT_TRUE(fabric_.Until([this] { return IsDown(); }));
  Revoke();
  EXPECT_TRUE(Revoked());
}

TEST(UnixSockets, ClosedIsNeitherSilentNorHalfShut) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
  UniqueFd one(ends[0]), other(ends[1]);
  EXPECT_FALSE(HasClosed(one.get()));
  ASSERT_EQ(SendUnix(other.get(), std::as_bytes(std::span("unread")), {}), Transfer::kDone);
  EXPECT_FALSE(HasClosed(one.get()));
  ASSERT_EQ(shutdown(other.get(), SHUT_WR), 0);
  EXPECT_FALSE(HasClosed(one.get()));
  other.Reset();
  EXPECT_TRUE(HasClosed(one.get()));
}

}  // namespace
}  // namespace k42::interconnect
