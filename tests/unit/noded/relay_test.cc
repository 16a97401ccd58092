// Connections of the control socket, and two of them joined, when somebody closes meanwhile.
#include "cluster-services/noded/relay.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

namespace k42::noded {
namespace {

using control::FrameType;

struct Pair {
  Pair() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    served.Reset(ends[0]);
    client.Reset(ends[1]);
  }
  void Write(const std::string& payload) {
    const std::string bytes = control::EncodeFrame(FrameType::kInput, payload);
    EXPECT_EQ(write(client.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  // The other side has closed.
  bool AtEnd() {
    char byte;
    return recv(client.get(), &byte, 1, MSG_DONTWAIT) == 0;
  }
  interconnect::UniqueFd served;
  interconnect::UniqueFd client;
};

// A loop runs once; `half_way` comes in between.
void RunRounds(
    EventLoop& loop, int rounds, const std::function<void()>& half_way = [] {}) {
  int left = rounds;
  loop.Run([] { return std::size_t{0}; },
           [&] {
             if (--left == rounds / 2)
               half_way();
             if (left == 0)
               loop.Stop();
             return 1;
           });
}

std::weak_ptr<int> kept;  // by the handler under test
bool lived_on = false;

TEST(Connection, AHandlerThatClosesLivesToItsEnd) {
  EventLoop loop;
  Pair pair;
  const auto connection = Connection::Serve(loop, std::move(pair.served));
  auto token = std::make_shared<int>(1);
  kept = token;
  connection->on_frame = [token = std::move(token), connection = connection.get()](const auto&) {
    connection->Close();
    lived_on = !kept.expired();
  };
  pair.Write("x");
  RunRounds(loop, 3);
  EXPECT_TRUE(lived_on);
  EXPECT_TRUE(kept.expired());  // and no longer
}

TEST(Connection, SoDoesOneThatIsToldOfRoom) {
  EventLoop loop;
  Pair pair;
  const auto connection = Connection::Serve(loop, std::move(pair.served));
  auto token = std::make_shared<int>(1);
  kept = token;
  lived_on = false;
  connection->on_drained = [token = std::move(token), connection = connection.get()] {
    connection->Close();
    lived_on = !kept.expired();
  };
  connection->Send(FrameType::kOutput, "x");
  EXPECT_TRUE(lived_on);
}

TEST(Relay, PassesFramesAndTheEnd) {
  EventLoop loop;
  Pair here, there;
  JoinConnections(Connection::Serve(loop, std::move(here.served)),
                  Connection::Serve(loop, std::move(there.served)));
  here.Write("there");
  RunRounds(loop, 8, [&] {
    char bytes[16];
    ASSERT_EQ(recv(there.client.get(), bytes, sizeof bytes, MSG_DONTWAIT), 10);
    EXPECT_EQ(std::string(bytes + 5, 5), "there");
    there.client.Reset();
  });
  EXPECT_TRUE(here.AtEnd());
}

// What the daemon of another node does when it dies while an operator writes.
TEST(Relay, ADestinationThatHasClosedEndsBoth) {
  EventLoop loop;
  Pair here, there;
  const std::weak_ptr from = [&] {
    const auto one = Connection::Serve(loop, std::move(here.served));
    const auto other = Connection::Serve(loop, std::move(there.served));
    JoinConnections(one, other);
    other->PauseReading(true);  // so that the first to notice is the frame that is passed on
    return one;
  }();
  for (int i = 0; i < 8; ++i) here.Write(std::string(4000, 'x'));
  there.client.Reset();
  RunRounds(loop, 5);
  EXPECT_TRUE(here.AtEnd());
  EXPECT_TRUE(from.expired());
}

}  // namespace
}  // namespace k42::noded
