// Sockets within a node: connecting, refusal, backlog, half close, reset, datagrams.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "io/datagram_endpoint.h"
#include "io/socket_services.h"
#include "io/stream_endpoint.h"
#include "support/node_fixture.h"
#include "unit/io/no_names.h"

namespace k42::io {
namespace {

class SocketTest : public test::ObjectFixture {
 protected:
  RefPtr<StreamEndpoint> Stream() {
    return RefPtr<StreamEndpoint>::Adopt(
        StreamEndpoint::Make(services, SocketFamily::kInternet, SocketType::kStream, {}).value());
  }
  RefPtr<StreamEndpoint> Listener(std::uint16_t port, std::uint32_t backlog = 5) {
    auto socket = Stream();
    EXPECT_EQ(services.Bind(kernel, *socket, {}, At(port), 0), Status::kOk);
    EXPECT_EQ(socket->Listen(backlog), Status::kOk);
    return socket;
  }
  static SocketAddress At(std::uint16_t port) {
    SocketAddress address{};
    address.family = SocketFamily::kInternet;
    address.internet = kInternetLoopback;
    address.port = port;
    return address;
  }
  Status Connect(StreamEndpoint& from, std::uint16_t port) {
    const auto found = services.Find(kernel, SocketType::kStream, {}, At(port));
    if (!found.ok()) {
      return found.status();
    }
    return from.Connect(*RefPtr<Endpoint>::Adopt(found.value()));
  }
  static Result<std::uint64_t> Send(Endpoint& endpoint, std::string_view text) {
    Transfer transfer;
    transfer.in = BufferIn::Kernel(text.data(), text.size());
    return endpoint.Send(transfer);
  }
  static Result<std::uint64_t> Receive(Endpoint& endpoint, std::string* text) {
    text->assign(64, '\0');
    Transfer transfer;
    transfer.out = BufferOut::Kernel(text->data(), text->size());
    const auto count = endpoint.Receive(transfer);
    Attachment::Free(transfer.attachment);
    text->resize(count.ValueOr(0));
    return count;
  }
  static std::uint32_t Ready(Endpoint& endpoint) {
    return abi::PollWord::Unpack(endpoint.list().Word()).ready;
  }

  const cobj::CallContext kernel = cobj::CallContext::Kernel();
  NoNames names;
  SocketServices services{0x0a2a0001, names};
  std::string text;
};

TEST_F(SocketTest, NobodyListens) {
  EXPECT_EQ(Connect(*Stream(), 4000), Status::kConnectionRefused);
  auto bound = Stream();
  EXPECT_EQ(services.Bind(kernel, *bound, {}, At(4000), 0), Status::kOk);
  EXPECT_EQ(Connect(*Stream(), 4000), Status::kConnectionRefused);
  bound->Close();
}

TEST_F(SocketTest, AConversation) {
  auto listener = Listener(4000);
  EXPECT_EQ(listener->Accept().status(), Status::kWouldBlock);
  auto client = Stream();
  ASSERT_EQ(Connect(*client, 4000), Status::kOk);
  EXPECT_EQ(Ready(*listener), abi::kReadable);
  EXPECT_EQ(Send(*client, "early").ValueOr(0), 5u);  // before anybody has accepted
  auto server = RefPtr<Endpoint>::Adopt(listener->Accept().value());
  EXPECT_EQ(Ready(*listener), 0u);
  EXPECT_EQ(Receive(*server, &text).ValueOr(0), 5u);
  EXPECT_EQ(text, "early");
  EXPECT_EQ(server->address().port, 4000);
  EXPECT_EQ(client->Shutdown(ShutdownSide::kWrite), Status::kOk);
  EXPECT_EQ(Receive(*server, &text).ValueOr(1), 0u);
  EXPECT_NE(Ready(*server) & abi::kReadHangup, 0u);
  EXPECT_EQ(Send(*server, "still").ValueOr(0), 5u);  // the other half lives
  EXPECT_EQ(Receive(*client, &text).ValueOr(0), 5u);
  server->Close();
  EXPECT_NE(Ready(*client) & abi::kHangup, 0u);
  client->Close();
  listener->Close();
}

TEST_F(SocketTest, UnreadBytesResetTheConnection) {
  auto listener = Listener(4000);
  auto client = Stream();
  ASSERT_EQ(Connect(*client, 4000), Status::kOk);
  auto server = RefPtr<Endpoint>::Adopt(listener->Accept().value());
  EXPECT_TRUE(Send(*client, "unheard").ok());
  server->Close();
  EXPECT_EQ(Receive(*client, &text).status(), Status::kConnectionReset);
  EXPECT_EQ(Send(*client, "x").status(), Status::kBrokenPipe);
  client->Close();
  listener->Close();
}

TEST_F(SocketTest, BacklogIsLimitedAndFallsWithTheListener) {
  auto listener = Listener(4000, 1);  // as on Linux one more than asked for
  RefPtr<StreamEndpoint> clients[3] = {Stream(), Stream(), Stream()};
  EXPECT_EQ(Connect(*clients[0], 4000), Status::kOk);
  EXPECT_EQ(Connect(*clients[1], 4000), Status::kOk);
  EXPECT_EQ(Connect(*clients[2], 4000), Status::kWouldBlock);
  listener->Close();
  EXPECT_NE(Ready(*clients[0]) & abi::kHangup, 0u);
  EXPECT_EQ(Receive(*clients[0], &text).status(), Status::kConnectionReset);
  EXPECT_EQ(Connect(*clients[2], 4000), Status::kConnectionRefused);
  auto again = Listener(4000);  // the port is free at once
  again->Close();
  for (auto& client : clients) {
    client->Close();
  }
}

// Each once, to the last; then one that comes free.
TEST_F(SocketTest, AllPortsAreChosen) {
  constexpr std::uint32_t kPorts =
      SocketServices::kLastEphemeral - SocketServices::kFirstEphemeral + 1;
  std::vector<RefPtr<StreamEndpoint>> bound;
  std::vector<bool> taken(1 << 16);
  for (std::uint32_t i = 0; i < kPorts; ++i) {
    bound.push_back(Stream());
    ASSERT_EQ(services.Bind(kernel, *bound.back(), {}, At(0), 0), Status::kOk) << i;
    const std::uint16_t port = bound.back()->address().port;
    EXPECT_TRUE(port >= SocketServices::kFirstEphemeral && port <= SocketServices::kLastEphemeral);
    EXPECT_FALSE(taken[port]);
    taken[port] = true;
  }
  auto late = Stream();
  EXPECT_EQ(services.Bind(kernel, *late, {}, At(0), 0), Status::kAddressInUse);
  const std::uint16_t freed = bound[kPorts / 2]->address().port;
  bound[kPorts / 2]->Close();
  EXPECT_EQ(services.Bind(kernel, *late, {}, At(0), 0), Status::kOk);
  EXPECT_EQ(late->address().port, freed);
  late->Close();
  for (auto& each : bound) each->Close();
}

TEST_F(SocketTest, PortsAreChosenAndGuarded) {
  auto one = Stream(), two = Stream();
  EXPECT_EQ(services.Bind(kernel, *one, {}, At(0), 0), Status::kOk);
  EXPECT_GE(one->address().port, SocketServices::kFirstEphemeral);
  EXPECT_EQ(services.Bind(kernel, *two, {}, At(one->address().port), 0), Status::kAddressInUse);
  SocketAddress far = At(80);
  far.internet = 0x08080808;
  EXPECT_EQ(services.Bind(kernel, *two, {}, far, 0), Status::kAddressUnavailable);
  one->Close();
  two->Close();
}

// Both say kDatagram, and are not the same.
TEST_F(SocketTest, AnEndOfADatagramPairHearsItsOtherEndAlone) {
  const auto end = [&] {
    return RefPtr<StreamEndpoint>::Adopt(
        StreamEndpoint::Make(services, SocketFamily::kLocal, SocketType::kDatagram, {}).value());
  };
  auto one = end(), other = end();
  ASSERT_EQ(StreamEndpoint::Join(*one, *other), Status::kOk);
  auto stranger = RefPtr<DatagramEndpoint>::Adopt(
      DatagramEndpoint::Make(services, SocketFamily::kLocal, {}).value());
  const auto send_to = [](Endpoint& from, Endpoint& to, std::string_view what) {
    Transfer transfer;
    transfer.in = BufferIn::Kernel(what.data(), what.size());
    transfer.destination = RefPtr<Endpoint>(&to);
    return from.Send(transfer).status();
  };
  EXPECT_EQ(send_to(*stranger, *one, "x"), Status::kNotOwner);
  EXPECT_EQ(stranger->Connect(*one), Status::kNotOwner);
  EXPECT_EQ(Receive(*one, &text).status(), Status::kWouldBlock);
  EXPECT_EQ(send_to(*one, *stranger, "named"), Status::kOk);
  EXPECT_EQ(Receive(*stranger, &text).ValueOr(0), 5u);
  EXPECT_EQ(send_to(*one, *other, "own"), Status::kOk);
  EXPECT_EQ(Receive(*other, &text).ValueOr(0), 3u);
  for (Endpoint* each : {static_cast<Endpoint*>(one.get()), static_cast<Endpoint*>(other.get()),
                         static_cast<Endpoint*>(stranger.get())}) {
    each->Close();
  }
}

TEST_F(SocketTest, DatagramsFindTheirReceiver) {
  auto make = [&] {
    return RefPtr<DatagramEndpoint>::Adopt(
        DatagramEndpoint::Make(services, SocketFamily::kInternet, {}).value());
  };
  auto receiver = make(), sender = make();
  ASSERT_EQ(services.Bind(kernel, *receiver, {}, At(5000), 0), Status::kOk);
  EXPECT_EQ(Send(*sender, "whom?").status(), Status::kNoDestination);
  ASSERT_EQ(sender->Connect(*receiver), Status::kOk);
  EXPECT_EQ(Send(*sender, "one").ValueOr(0), 3u);
  EXPECT_EQ(Send(*sender, "two").ValueOr(0), 3u);
  EXPECT_EQ(Receive(*receiver, &text).ValueOr(0), 3u);
  EXPECT_EQ(text, "one");
  receiver->Close();
  EXPECT_EQ(Send(*sender, "gone").ValueOr(0), 4u);  // nobody is told of what gets lost on the way
  sender->Close();
}

class FullInboxTest : public SocketTest {
 protected:
  RefPtr<DatagramEndpoint> Local() {
    return RefPtr<DatagramEndpoint>::Adopt(
        DatagramEndpoint::Make(services, SocketFamily::kLocal, {}).value());
  }
  // Until nothing of this size fits.
  static void Fill(DatagramEndpoint& sender) {
    const std::string bytes(1000, 'x');
    while (Send(sender, bytes).ok()) {
    }
  }
  static Status SendTo(Endpoint& from, Endpoint& to, std::string_view what) {
    Transfer transfer;
    transfer.in = BufferIn::Kernel(what.data(), what.size());
    transfer.destination = RefPtr<Endpoint>(&to);
    return from.Send(transfer).status();
  }
  static std::uint32_t Looked(Endpoint& endpoint) {
    endpoint.LookForRoom();
    return Ready(endpoint);
  }
};

TEST_F(FullInboxTest, WhoIsConnectedSeesItAndIsToldOfRoom) {
  auto receiver = Local(), sender = Local(), other = Local();
  ASSERT_EQ(sender->Connect(*receiver), Status::kOk);
  ASSERT_EQ(other->Connect(*receiver), Status::kOk);
  EXPECT_NE(Looked(*sender) & abi::kWritable, 0u);
  Fill(*sender);
  EXPECT_EQ(Send(*sender, std::string(1000, 'x')).status(), Status::kWouldBlock);
  EXPECT_EQ(Ready(*sender) & abi::kWritable, 0u);
  while (Send(*sender, "x").ok()) {
  }
  EXPECT_EQ(Looked(*other) & abi::kWritable, 0u);  // has not even tried
  EXPECT_TRUE(Receive(*receiver, &text).ok());
  EXPECT_NE(Ready(*sender) & abi::kWritable, 0u);
  EXPECT_NE(Ready(*other) & abi::kWritable, 0u);
  EXPECT_TRUE(Send(*sender, "x").ok());
  for (const auto& each : {receiver, sender, other}) each->Close();
}

TEST_F(FullInboxTest, WhoSendsByNameIsToldToTryAgain) {
  auto receiver = Local(), filler = Local(), sender = Local();
  auto pair = RefPtr<StreamEndpoint>::Adopt(
      StreamEndpoint::Make(services, SocketFamily::kLocal, SocketType::kDatagram, {}).value());
  ASSERT_EQ(filler->Connect(*receiver), Status::kOk);
  Fill(*filler);
  const std::string bytes(1000, 'x');
  EXPECT_EQ(SendTo(*sender, *receiver, bytes), Status::kWouldBlock);
  EXPECT_EQ(SendTo(*pair, *receiver, bytes), Status::kWouldBlock);
  EXPECT_NE(Looked(*sender) & abi::kWritable, 0u);  // to others
  EXPECT_EQ((Ready(*sender) | Ready(*pair)) & abi::kSendAgain, 0u);
  EXPECT_TRUE(Receive(*receiver, &text).ok());
  EXPECT_NE(Ready(*sender) & Ready(*pair) & abi::kSendAgain, 0u);
  for (const auto& each : {receiver, filler, sender}) each->Close();
  pair->Close();
}

TEST_F(FullInboxTest, TheEndOfEitherSideEndsTheWait) {
  auto receiver = Local(), second = Local(), sender = Local(), gone = Local();
  ASSERT_EQ(sender->Connect(*receiver), Status::kOk);
  ASSERT_EQ(gone->Connect(*receiver), Status::kOk);
  Fill(*sender);
  EXPECT_EQ(Send(*gone, std::string(1000, 'x')).status(), Status::kWouldBlock);
  gone->Close();
  gone = RefPtr<DatagramEndpoint>();  // while it waits
  EXPECT_EQ(Ready(*sender) & abi::kWritable, 0u);
  ASSERT_EQ(sender->Connect(*second), Status::kOk);
  EXPECT_NE(Looked(*sender) & abi::kWritable, 0u);
  ASSERT_EQ(sender->Connect(*receiver), Status::kOk);
  Fill(*sender);
  EXPECT_EQ(Ready(*sender) & abi::kWritable, 0u);
  receiver->Close();
  EXPECT_NE(Ready(*sender) & abi::kWritable, 0u);
  EXPECT_EQ(Send(*sender, "x").status(), Status::kConnectionRefused);
  EXPECT_NE(Looked(*sender) & abi::kWritable, 0u);
  second->Close();
  sender->Close();
}

}  // namespace
}  // namespace k42::io
