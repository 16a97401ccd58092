// Requests for another node whose daemon is silent, or whose node leaves.
#include "cluster-services/noded/peer_control.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <span>

#include "interconnect/handshake.h"
#include "unit/noded/daemon_world.h"

namespace k42::noded {
namespace {

using control::FrameType;
using interconnect::UniqueFd;

class PeerControlTest : public DaemonWorld {
 protected:
  PeerControlTest() {
    peers_ = std::make_unique<PeerControl>(server_, *daemon_);
    std::string error;
    EXPECT_TRUE(peers_->Listen("", &error)) << error;
    Attach();
    daemon_->OnJoined(ALife());
    listener_.Reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_.get(), 4), 0);
    EXPECT_EQ(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    far_.self = {2, 88};
    far_.secret.fill(std::byte{0x77});
    view_.epoch = 3;
    view_.members.resize(2);
    view_.members[0].id = daemon_->identity().self;
    view_.members[0].secret = daemon_->identity().secret;
    view_.members[1].id = far_.self;
    view_.members[1].secret = far_.secret;
    view_.members[1].attributes["control"] = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    far_.cluster_id = daemon_->identity().cluster_id;
    daemon_->OnView(view_);
  }
  ~PeerControlTest() override { peers_.reset(); }

  void Ask() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    client_.Reset(ends[0]);
    server_.Adopt(UniqueFd(ends[1]), {});
    server_.Handle("status", [](const auto&, const auto&) {});
    const std::string ask =
        control::EncodeFrame(FrameType::kRequest, R"({"request": "status", "node": "n2"})");
    EXPECT_EQ(write(client_.get(), ask.data(), ask.size()), static_cast<ssize_t>(ask.size()));
  }
  // Runs the loop until `done`, or for so long.
  template <typename F>
  bool Within(std::chrono::milliseconds time, F done) {
    const auto until = std::chrono::steady_clock::now() + time;
    bool is_done = false;
    loop_.Run(
        [&] {
          peers_->Serve();
          return std::size_t{0};
        },
        [&] {
          is_done = done();
          if (is_done || std::chrono::steady_clock::now() >= until)
            loop_.Stop();
          return 5;
        });
    return is_done;
  }
  // The status the client's request has failed with; empty: it has not.
  std::string Failure() {
    char buffer[4096];
    const ssize_t size = recv(client_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (size <= 0)
      return "";
    control::FrameReader reader;
    reader.Append({buffer, static_cast<std::size_t>(size)});
    const auto frame = reader.Next();
    if (!frame || frame->type != FrameType::kFailed)
      return "";
    return nlohmann::json::parse(frame->payload).value("status", "");
  }
  static bool Closed(int fd) {
    char byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
  }

  ControlServer server_{loop_};
  std::unique_ptr<PeerControl> peers_;
  interconnect::LocalIdentity far_;
  ViewOfCluster view_;
  UniqueFd listener_, client_;
};

TEST_F(PeerControlTest, ADaemonThatSaysNothingIsWaitedForSomeSeconds) {
  Ask();
  std::string failure;
  EXPECT_TRUE(Within(std::chrono::seconds(10), [&] {
    failure = Failure();
    return !failure.empty();
  }));
  EXPECT_EQ(failure, StatusName(Status::kUnavailable));
}

TEST_F(PeerControlTest, WhatIsRelayedEndsWhenTheNodeHasLeft) {
  Ask();
  UniqueFd far;
  const auto read_whole = [&](auto* word) {
    return Within(std::chrono::seconds(10), [&] {
      return recv(far.get(), word, sizeof *word, MSG_DONTWAIT) ==
             static_cast<ssize_t>(sizeof *word);
    });
  };
  ASSERT_TRUE(Within(std::chrono::seconds(10), [&] {
    far.Reset(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    return static_cast<bool>(far);
  }));
  interconnect::Hello hello{};
  ASSERT_TRUE(read_whole(&hello));
  interconnect::Acceptor acceptor(far_);
  interconnect::Welcome welcome{};
  ASSERT_EQ(acceptor.OnHello(hello, {view_.members[0].id, view_.members[0].secret, {}}, &welcome),
            Status::kOk);
  ASSERT_EQ(write(far.get(), &welcome, sizeof welcome), static_cast<ssize_t>(sizeof welcome));
  interconnect::Confirm confirm{};
  ASSERT_TRUE(read_whole(&confirm));
  ASSERT_EQ(acceptor.OnConfirm(std::as_bytes(std::span(&confirm, 1))), Status::kOk);
  char request[256];
  ASSERT_TRUE(Within(std::chrono::seconds(10),
                     [&] { return recv(far.get(), request, sizeof request, MSG_DONTWAIT) > 0; }));

  EXPECT_FALSE(Within(std::chrono::seconds(2), [&] { return Closed(far.get()); }));
  EXPECT_EQ(Failure(), "");
  view_.epoch = 4;
  view_.members.pop_back();
  daemon_->OnView(view_);
  EXPECT_TRUE(Within(std::chrono::seconds(10), [&] { return Closed(far.get()); }));
  EXPECT_EQ(Failure(), StatusName(Status::kNodeDead));
}

// Whoever connects and says nothing holds its place for some seconds only.
TEST_F(PeerControlTest, AStrangerThatSaysNothingIsLetGo) {
  const std::string place = membership_->attributes["control"];
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port =
      htons(static_cast<std::uint16_t>(std::stoul(place.substr(place.rfind(':') + 1))));
  UniqueFd stranger(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(connect(stranger.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_TRUE(Within(std::chrono::seconds(10), [&] { return Closed(stranger.get()); }));
}

}  // namespace
}  // namespace k42::noded
