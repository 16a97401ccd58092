// Two nodes' networks in one program, over a link of queues: every CPU of either node talks through
// sockets while the way breaks and the class of streams is replaced. For ThreadSanitizer above all.
#include "io/fabric_network.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "abi/arena_format.h"
#include "io/stream_endpoint.h"
#include "io/stream_object.h"
#include "support/node_fixture.h"

namespace k42::io {
namespace {

using machine::hosted::RunOnAllCpus;

constexpr machine::CpuId kCpus = 4;
constexpr std::uint64_t kArenaSize = 16 << 20;

class NoNames final : public LocalNames {
  Result<SocketName*> Make(const cobj::CallContext&, cobj::Ref<fs::IOpenFile>, std::string_view,
                           std::uint32_t) override {
    return Status::kNotSupported;
  }
  Result<SocketName*> Find(const cobj::CallContext&, cobj::Ref<fs::IOpenFile>,
                           std::string_view) override {
    return Status::kNotFound;
  }
};

// The link threads of both nodes: work posted to a CPU is done there, in order.
class LinkThreads {
 public:
  LinkThreads() {
    for (machine::CpuId cpu = 0; cpu < kCpus; ++cpu) {
      cpus_[cpu].owner = this;
      cpus_[cpu].thread = machine::Thread::Create("link", Run, &cpus_[cpu], cpu).value();
    }
  }
  void Post(machine::CpuId cpu, std::function<void()> work) {
    {
      const std::lock_guard guard(cpus_[cpu].mutex);
      cpus_[cpu].queue.push_back(std::move(work));
    }
    cpus_[cpu].thread->Unblock();
  }

 private:
  struct Cpu {
    LinkThreads* owner;
    machine::Thread* thread;
    std::mutex mutex;
    std::deque<std::function<void()>> queue;
  };
  static void Run(void* argument) {
    auto& cpu = *static_cast<Cpu*>(argument);
    for (;;) {
      std::function<void()> work;
      {
        const std::lock_guard guard(cpu.mutex);
        if (!cpu.queue.empty()) {
          work = std::move(cpu.queue.front());
          cpu.queue.pop_front();
        }
      }
      if (work)
        work();
      else
        machine::Thread::BlockExternal();
    }
  }
  Cpu cpus_[kCpus];
};

class Node;
struct World {
  LinkThreads threads;
  Node* nodes[2] = {};
  // Of a hundred operations under way, how many are lost with a break; of both nodes.
  std::atomic<unsigned> loss_percent{0};
  std::atomic<unsigned> lost{0};
  std::atomic<bool> lose_next_put{false};
};

class Node final : public global::Link {
 public:
  Node(World& world, std::uint32_t number)
      : arena_(kArenaSize / 4096),
        world_(world),
        number_(number),
        services(SocketServices::kNodePrefix << 16 | number, names_),
        network(*this, view, services) {
    const std::uint8_t boot_id[16] = {};
    memory_.Start(base(), abi::FormatArena(base(), kArenaSize, kCpus, boot_id).value());
    struct {
      abi::ViewHeader header{1, 2, 0};
      abi::ViewMember members[2] = {};
    } install;
    for (std::uint32_t i = 0; i < 2; ++i) {
      install.members[i].node = i + 1;
      install.members[i].incarnation = i + 1;
    }
    EXPECT_EQ(view.Install({reinterpret_cast<std::byte*>(&install), sizeof install}), Status::kOk);
    services.SetFabric(network);
    world.nodes[number - 1] = this;
    EXPECT_EQ(network.Start(), Status::kOk);
  }

  global::LinkPeer Self() const override { return {number_, number_}; }
  global::LinkMemory& memory() override { return memory_; }
  void Submit(global::LinkRequest& request) override {
    world_.threads.Post(machine::CurrentCpu(), [this, &request] { Begin(request); });
  }
  // What the kernel does with every heartbeat: quiet ends are seen at last.
  void Beat() {
    for (machine::CpuId cpu = 0; cpu < kCpus; ++cpu)
      world_.threads.Post(cpu, [this] { SeeEnds(); });
  }
  // As when a daemon dies, or was too slow, or made no sense: both ends hear of it, and the peer
  // lives.
  void Break() {
    constexpr Status kWhy[] = {Status::kEndpointDown, Status::kTimedOut, Status::kCorrupt};
    const Status why = kWhy[breaks_++ % std::size(kWhy)];
    world_.threads.Post(0, [this, why] {
      SeeEnds();
      network.OnPeerDown(Other().Self(), why);
    });
  }

 private:
  std::size_t breaks_ = 0;
  struct Page {
    alignas(4096) std::byte bytes[4096];
  };
  std::byte* base() { return reinterpret_cast<std::byte*>(arena_.data()); }
  Node& Other() { return *world_.nodes[2 - number_]; }

  // A CPU is woken: it sees all ends that are there.
  void SeeEnds() {
    std::vector<global::LinkRequest*> ends;
    ends.swap(ends_[machine::CurrentCpu()]);
    for (global::LinkRequest* request : ends) request->done(*request);
  }

  void Begin(global::LinkRequest& request) {
    thread_local std::mt19937 random(7);
    Node& other = Other();
    const auto from = Self();
    request.outcome = abi::Outcome::kDone;
    request.status = Status::kOk;
    const bool lose_this =
        request.kind == abi::OperationKind::kPutNotify && world_.lose_next_put.exchange(false);
    if (lose_this || (random() % 100 < world_.loss_percent.load() &&
                      request.kind != abi::OperationKind::kRevokeWindow)) {
      request.outcome = abi::Outcome::kUnknown;
      request.status = Status::kUnknown;
      world_.lost.fetch_add(1);
    } else if (request.kind == abi::OperationKind::kSend) {
      std::vector<std::byte> copy(request.payload.begin(), request.payload.end());
      const abi::Frame frame = request.frame;
      world_.threads.Post(request.receiver_cpu % kCpus, [&other, from, frame, copy] {
        other.SeeEnds();
        other.network.OnMessage(from, frame, copy);
      });
    } else if (request.kind == abi::OperationKind::kPutNotify) {
      const auto& window = *reinterpret_cast<const abi::WindowEntry*>(
          other.base() + other.windows_ +
          abi::WindowIndex(request.window) * sizeof(abi::WindowEntry));
      if (window.generation.load() != abi::WindowGeneration(request.window)) {
        request.outcome = abi::Outcome::kNotSent;
        request.status = Status::kRevoked;
      } else {
        EXPECT_LE(request.remote_offset + request.length, window.size);
        std::memcpy(other.base() + window.offset + request.remote_offset,
                    base() + request.local_offset, request.length);
        world_.threads.Post(request.receiver_cpu % kCpus, [&other, from, word = request.operand] {
          other.SeeEnds();
          other.network.OnNotify(from, word);
        });
      }
    }
    auto& ends = ends_[machine::CurrentCpu()];
    ends.push_back(&request);
    const bool quiet =
        request.outcome == abi::Outcome::kDone && (request.flags & abi::kQuietEnd) != 0;
    if (!quiet || ends.size() > abi::kMostQuietEnds)
      SeeEnds();
  }

  std::vector<Page> arena_;
  std::vector<global::LinkRequest*> ends_[kCpus];  // not seen yet; each CPU's link thread's
  const std::uint64_t windows_ = abi::ComputeArenaLayout(kArenaSize, kCpus).value().windows;
  World& world_;
  const std::uint32_t number_;
  global::LinkMemory memory_;
  NoNames names_;

 public:
  global::ClusterView view;
  SocketServices services;
  FabricNetwork network;
};

// Like every node object these live as long as the program: their threads do.
World& TheWorld() {
  static World& world = *[] {
    auto* made = new World;
    new Node(*made, 1);
    new Node(*made, 2);
    return made;
  }();
  return world;
}

// Node 0: any address.
SocketAddress At(std::uint32_t node, std::uint16_t port) {
  SocketAddress address{};
  address.family = SocketFamily::kInternet;
  address.internet = node == 0 ? kInternetAny : SocketServices::kNodePrefix << 16 | node;
  address.port = port;
  return address;
}

std::byte Pattern(std::uint64_t at, unsigned seed) {
  return static_cast<std::byte>((at * 31 + (at >> 9) + seed) & 0xff);
}

class FabricNetworkTest : public test::ObjectFixture {
 protected:
  using Socket = RefPtr<StreamEndpoint>;
  Socket Fresh(Node& node) {
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
  Socket Listening(Node& node, std::uint32_t number, std::uint16_t port) {
    Socket socket = Fresh(node);
    EXPECT_EQ(node.services.Bind(kernel, *socket, {}, At(number, port), 0), Status::kOk);
    EXPECT_EQ(socket->Listen(3), Status::kOk);
    return socket;
  }
  Socket Calling(Node& node, std::uint32_t to, std::uint16_t port) {
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
    World& world = TheWorld();
    Socket listener = Listening(*world.nodes[1], 2, port);
    Socket client = Calling(*world.nodes[0], 2, port);
    Socket server = Socket::Adopt(
        static_cast<StreamEndpoint*>(Until([&] { return listener->Accept(); }).value()));
    listener->Close();
    return {std::move(client), std::move(server)};
  }
  // Both ends let go of everything.
  static void ExpectNothingLeft(bool beats) {
    for (Node* node : TheWorld().nodes) {
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
    World& world = TheWorld();
    RunOnAllCpus([&](machine::CpuId cpu) {
      const bool serves = cpu % 2 == 0;
      Node& node = *world.nodes[serves ? 1 : 0];
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
  std::atomic<bool> ready_[kCpus] = {};
};

TEST_F(FabricNetworkTest, NobodyListensThere) {
  World& world = TheWorld();
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

// The second put ends well behind the first, which is lost: nothing is put again before that end is
// seen, and no heartbeat shows it.
TEST_F(FabricNetworkTest, AQuietEndBehindALostPutIsSeen) {
  auto [client, server] = Connect(4200);
  TheWorld().lose_next_put.store(true);
  Pass(*client, *server, 100, 2);
  EXPECT_FALSE(TheWorld().lose_next_put.load());
  client->Close();
  server->Close();
  ExpectNothingLeft(false);
}

// The peer has little room and so a smaller ring. It fills long before half of ours is under way,
// and the credits that would empty it come on another CPU than the ends of the puts.
TEST_F(FabricNetworkTest, AWriterIntoASmallerRing) {
  global::LinkMemory& memory = TheWorld().nodes[1]->memory();
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
  World& world = TheWorld();
  std::atomic<bool> over{false};
  std::thread breaker([&] {
    std::mt19937 random(3);
    while (!over.load()) {
      world.loss_percent.store(random() % 30);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      world.loss_percent.store(0);
      for (Node* node : world.nodes) node->Break();
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
