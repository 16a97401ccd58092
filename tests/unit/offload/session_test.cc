// The session with a daemon that says much and reads nothing.
#include "cluster-services/offload/session.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "interconnect/unix_socket.h"

namespace k42::offload {
namespace {

using interconnect::Transfer;

class NoOutside final : public Outside {
 public:
  Status Connect(Number, const abi::OffloadAddress&) override { return Status::kUnreachable; }
  Result<std::size_t> Read(Number, std::span<std::byte>) override { return Status::kWouldBlock; }
  Result<std::size_t> Write(Number, std::span<const std::byte>) override {
    return Status::kWouldBlock;
  }
  void ShutdownWrite(Number) override {}
  void Close(Number, bool) override {}
  void Watch(Number, bool, bool) override {}
};

TEST(Session, WhoDoesNotReadTheAnswersIsNotReadEither) {
  char name[] = "/tmp/k42-session-test-XXXXXX";
  const std::string folder = mkdtemp(name);
  const std::string path = folder + "/offload.sock";
  Session session(interconnect::ListenUnix(path, SOCK_SEQPACKET), 1);
  NoOutside outside;
  Bridge bridge(outside, [&](const auto& header, auto payload) { session.Send(header, payload); });
  const auto daemon = interconnect::ConnectUnix(path, SOCK_SEQPACKET);
  ASSERT_TRUE(daemon);
  session.Accept();
  abi::OffloadHeader hello{};
  hello.kind = abi::OffloadKind::kHello;
  const std::byte boot_id[16] = {};
  ASSERT_EQ(interconnect::SendUnix(daemon.get(), std::as_bytes(std::span(&hello, 1)), boot_id),
            Transfer::kDone);
  session.Receive(bridge);

  constexpr int kMany = 100'000;
  constexpr int kSocketsAndSession = 10'000;
  abi::OffloadHeader data{};  // of a connection that is none: answered by a reset
  data.kind = abi::OffloadKind::kData;
  data.connection = 5;
  int taken = 0;
  for (int i = 0; i < kMany; ++i) {
    session.Receive(bridge);
    if (interconnect::SendUnix(daemon.get(), std::as_bytes(std::span(&data, 1)), {}) ==
        Transfer::kDone)
      ++taken;
  }
  EXPECT_TRUE(session.full());
  EXPECT_LT(taken, kSocketsAndSession);

  // It reads, and everything is answered.
  int answers = 0;
  for (int i = 0; i < kMany && answers < taken + 1; ++i) {
    std::byte packet[abi::kOffloadPacket];
    std::size_t size = 0;
    std::vector<interconnect::UniqueFd> luggage;
    while (interconnect::ReceiveUnix(daemon.get(), packet, &size, &luggage) == Transfer::kDone)
      ++answers;
    session.Flush();
    session.Receive(bridge);
  }
  EXPECT_EQ(answers, taken + 1);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace k42::offload
