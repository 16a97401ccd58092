// Two nodes' networks in one program: every CPU of either node talks through sockets while the way
// breaks. For ThreadSanitizer above all.
#include "io/fabric_network.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>
#include <vector>

#include "io/stream_endpoint.h"
#include "support/node_fixture.h"
#include "unit/io/fabric_world.h"

namespace k42::io {
namespace {

using machine::hosted::RunOnAllCpus;

// Node 0: any address.
SocketAddress At(std::uint32_t node, std::uint16_t port) {
  SocketAddress address{};
  address.family = SocketFamily::kInternet;
  address.internet = node == 0 ? kInternetAny : SocketServices::kNodePrefix << 16 | node;
  address.port = port;
  return address;
}

constexpr std::uint32_t kFabricStreamNobody = 1000;  // a stream that node 1 does not have

std::byte Pattern(std::uint64_t at, unsigned seed) {
  return static_cast<std::byte>((at * 31 + (at >> 9) + seed) & 0xff);
}

class FabricNetworkTest : public test::ObjectFixture {
 protected:
  using Socket = RefPtr<StreamEndpoint>;
  Socket Fresh(FabricNode& node) {
    return Socket::Adopt(
        StreamEndpoint::Make(node.services, SocketFamily::kInternet, SocketType::kStream, {})
            .value());
  }
  template <typename Try>
  static auto Until(Try attempt) {
    for (;;) {
      auto result = attempt();
      if (result.status() != Status::kWouldBlock)
        return result;
      machine::Thread::Yield();
    }
  }
  Socket Listening(FabricNode& node, std::uint32_t number, std::uint16_t port) {
    Socket socket = Fresh(node);
    EXPECT_EQ(node.services.Bind(kernel, *socket, {}, At(number, port), 0), Status::kOk);
    EXPECT_EQ(socket->Listen(3), Status::kOk);
    return socket;
  }
  Socket Calling(FabricNode& node, std::uint32_t to, std::uint16_t port) {
    Socket socket = Fresh(node);
    EXPECT_EQ(node.services.Bind(kernel, *socket, {}, At(0, 0), 0), Status::kOk);
    EXPECT_EQ(socket->ConnectRemote(At(to, port)), Status::kInProgress);
    while ((abi::PollWord::Unpack(socket->list().Word()).ready & abi::kWritable) == 0)
      machine::Thread::Yield();
    EXPECT_EQ(socket->TakeError(), Status::kOk);
    return socket;
  }
  // Both ways at once: `count` bytes each.
  static void Talk(Endpoint& socket, std::uint64_t count, unsigned send_seed, unsigned get_seed) {
    std::uint64_t sent = 0, got = 0;
    std::byte piece[5000];
    std::mt19937 random(send_seed);
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (sent < count || got < count) {
      ASSERT_LT(std::chrono::steady_clock::now(), until) << "sent " << sent << ", got " << got;
      const std::uint64_t want = random() % sizeof piece + 1;
      const std::uint64_t most = std::min(want, count - sent);
      for (std::uint64_t i = 0; i < most; ++i) piece[i] = Pattern(sent + i, send_seed);
      Transfer out;
      out.in = BufferIn::Kernel(piece, most);
      const auto wrote = most == 0 ? Result<std::uint64_t>(0) : socket.Send(out);
      ASSERT_TRUE(wrote.ok() || wrote.status() == Status::kWouldBlock)
          << StatusName(wrote.status());
      sent += wrote.ValueOr(0);
      Transfer in;
      in.out = BufferOut::Kernel(piece, want);
      const auto read = socket.Receive(in);
      ASSERT_TRUE(read.ok() || read.status() == Status::kWouldBlock) << StatusName(read.status());
      ASSERT_TRUE(!read.ok() || read.value() != 0 || got == count) << "ended at " << got;
      for (std::uint64_t i = 0; i < read.ValueOr(0); ++i)
        ASSERT_EQ(piece[i], Pattern(got + i, get_seed)) << "at " << got + i;
      got += read.ValueOr(0);
      machine::Thread::Yield();
    }
  }
  // Sends a piece and waits until the other end has it all: for seconds, not for ever.
  static void Pass(Endpoint& from, Endpoint& to, std::uint64_t count, unsigned pieces = 1) {
    std::vector<std::byte> piece(count);
    for (unsigned i = 0; i < pieces; ++i) {
      Transfer out;
      out.in = BufferIn::Kernel(piece.data(), count);
      ASSERT_EQ(from.Send(out).ValueOr(0), count);
    }
    std::uint64_t got = 0;
    EXPECT_TRUE(Eventually([&] {
      Transfer in;
      in.out = BufferOut::Kernel(piece.data(), count);
      got += to.Receive(in).ValueOr(0);
      return got == count * pieces;
    })) << got;
  }
  struct Connected {
    Socket client, server;
  };
  Connected Connect(std::uint16_t port) {
    FabricWorld& world = TheFabricWorld();
    Socket listener = Listening(*world.nodes[1], 2, port);
    Socket client = Calling(*world.nodes[0], 2, port);
    Socket server = Socket::Adopt(
        static_cast<StreamEndpoint*>(Until([&] { return listener->Accept(); }).value()));
    listener->Close();
    return {std::move(client), std::move(server)};
  }
  // Both ends let go of everything.
  static void ExpectNothingLeft(bool beats) {
    for (FabricNode* node : TheFabricWorld().nodes) {
      EXPECT_TRUE(Eventually([&] {
        if (beats)
          node->Beat();
        std::uint32_t index = 0;
        FabricConnection* left = node->network.NextConnection(&index);
        if (left != nullptr)
          left->DropReference();
        return left == nullptr;
      }));
    }
  }
  void Conversations(std::uint16_t base, std::uint64_t bytes, bool beats) {
    FabricWorld& world = TheFabricWorld();
    RunOnAllCpus([&](machine::CpuId cpu) {
      const bool serves = cpu % 2 == 0;
      FabricNode& node = *world.nodes[serves ? 1 : 0];
      const auto port = static_cast<std::uint16_t>(base + cpu / 2);
      Socket socket;
      if (serves) {
        Socket listener = Listening(node, 2, port);
        ready_[cpu / 2].store(true);
        socket = Socket::Adopt(
            static_cast<StreamEndpoint*>(Until([&] { return listener->Accept(); }).value()));
        listener->Close();
      } else {
        while (!ready_[cpu / 2].load()) machine::Thread::Yield();
        socket = Calling(node, 2, port);
      }
      Talk(*socket, bytes, port + serves, port + !serves);
      EXPECT_EQ(socket->Shutdown(ShutdownSide::kWrite), Status::kOk);
      Transfer end;
      std::byte one;
      end.out = BufferOut::Kernel(&one, 1);
      EXPECT_EQ(Until([&] { return socket->Receive(end); }).ValueOr(1), 0u);
      socket->Close();
      ready_[cpu / 2].store(false);
    });
    ExpectNothingLeft(beats);
  }

  const cobj::CallContext kernel = cobj::CallContext::Kernel();
  std::atomic<bool> ready_[kFabricCpus] = {};
};

TEST_F(FabricNetworkTest, NobodyListensThere) {
  FabricWorld& world = TheFabricWorld();
  Socket socket = Fresh(*world.nodes[0]);
  ASSERT_EQ(world.nodes[0]->services.Bind(kernel, *socket, {}, At(0, 0), 0), Status::kOk);
  EXPECT_EQ(socket->ConnectRemote(At(9, 80)), Status::kUnreachable);
  ASSERT_EQ(socket->ConnectRemote(At(2, 80)), Status::kInProgress);
  EXPECT_TRUE(Eventually(
      [&] { return (abi::PollWord::Unpack(socket->list().Word()).ready & abi::kError) != 0; }));
  EXPECT_EQ(socket->TakeError(), Status::kConnectionRefused);
  socket->Close();
  ExpectNothingLeft(false);
}

TEST_F(FabricNetworkTest, ConversationsOnAllCpus) {
  Conversations(4000, 300'000, /*beats=*/false);
}

// An id comes round after 256 streams; a kOpen under it is a repetition only if it names the same
// window.
TEST_F(FabricNetworkTest, AnOpenThatReusesAnIdIsAnotherConnection) {
  FabricWorld& world = TheFabricWorld();
  Socket listener = Listening(*world.nodes[1], 2, 4500);
  const auto open = [&](std::uint64_t window) {
    std::atomic<bool> done{false};
    world.threads.Post(0, [&] {
      StreamMessage message;
      message.kind = StreamMessageKind::kOpen;
      message.to_port = 4500;
      message.from_port = 30'000;
      message.from = MakeStreamId(kFabricStreamNobody, 7);
      message.window = window;
      message.window_size = kMinimumStreamRing;
      abi::Frame frame{};
      frame.kind = abi::FrameKind::kOneWay;
      world.nodes[1]->network.OnMessage(world.nodes[0]->Self(), frame, BytesOf(message));
      done.store(true);
    });
    EXPECT_TRUE(Eventually([&] { return done.load(); }));
  };
  const auto accepted = [&] {
    int count = 0;
    for (;;) {
      auto one = listener->Accept();
      if (!one.ok())
        return count;
      Socket::Adopt(static_cast<StreamEndpoint*>(one.value()))->Close();
      ++count;
    }
  };
  open(100);
  open(100);
  open(101);
  EXPECT_EQ(accepted(), 2);
  listener->Close();
  ExpectNothingLeft(true);
}

// The second put ends well behind the first, which is lost: nothing is put again before that end is
// seen, and no heartbeat shows it.
TEST_F(FabricNetworkTest, AQuietEndBehindALostPutIsSeen) {
  auto [client, server] = Connect(4200);
  TheFabricWorld().lose_next_put.store(true);
  Pass(*client, *server, 100, 2);
  EXPECT_FALSE(TheFabricWorld().lose_next_put.load());
  client->Close();
  server->Close();
  ExpectNothingLeft(false);
}

// The peer has little room and so a smaller ring. It fills long before half of ours is under way,
// and the credits that would empty it come on another CPU than the ends of the puts.
TEST_F(FabricNetworkTest, AWriterIntoASmallerRing) {
  global::LinkMemory& memory = TheFabricWorld().nodes[1]->memory();
  std::vector<global::ArenaRange> taken;
  while (memory.free_chunks() * abi::kChunkSize >= std::uint64_t{kMaximumStreamRing} * 32)
    taken.push_back(memory.Allocate(1 << 20, abi::ChunkUse::kStream).value());
  auto [client, server] = Connect(4300);
  for (int i = 0; i < 20; ++i) Pass(*client, *server, kMaximumStreamRing / 4 - 100);
  client->Close();
  server->Close();
  ExpectNothingLeft(false);
  for (const global::ArenaRange& range : taken) memory.Free(range);
}

TEST_F(FabricNetworkTest, AWayThatBreaksAgainAndAgain) {
  FabricWorld& world = TheFabricWorld();
  std::atomic<bool> over{false};
  std::thread breaker([&] {
    std::mt19937 random(3);
    while (!over.load()) {
      world.loss_percent.store(random() % 30);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      world.loss_percent.store(0);
      for (FabricNode* node : world.nodes) node->Break();
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  });
  // As often as it takes to have lost something worth the name.
  for (int round = 0; round < 50 && world.lost.load() < 50; ++round)
    Conversations(4100, 300'000, true);
  over.store(true);
  breaker.join();
  EXPECT_GE(world.lost.load(), 50u);
}

}  // namespace
}  // namespace k42::io
