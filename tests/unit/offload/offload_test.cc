// The kernel's agent and the process's bridge together: seeded schedules in which messages wait,
// daemons die and take what was on its way with them, and the far end does what far ends do. What
// went in at one side comes out at the other, once and in order, whatever happened between.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <string>

#include "cluster-services/offload/bridge.h"
#include "io/outside_agent.h"
#include "support/node_fixture.h"

namespace k42::offload {
namespace {

using io::RemoteConnection;

struct Message {
  abi::OffloadHeader header;
  std::string payload;
};

std::string_view Text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A far end: what it got, what it still wants to say, and how it behaves.
struct FarEnd {
  bool connecting = true;
  bool refuses = false;
  std::string got;
  bool got_end = false;
  std::string to_say;
  bool says_end = false;
  bool resets = false;
  bool closed = false;
  bool was_reset = false;
};

class FakeOutside final : public Outside {
 public:
  explicit FakeOutside(std::mt19937_64& random) : random_(random) {}
  Status Connect(Number number, const abi::OffloadAddress& target) override {
    if (target.port == 1)
      return Status::kUnreachable;
    ends[number].refuses = target.port == 2;
    return Status::kOk;
  }
  Result<std::size_t> Read(Number number, std::span<std::byte> into) override {
    FarEnd& end = ends.at(number);
    if (end.to_say.empty()) {
      if (end.resets)
        return Status::kConnectionReset;
      return end.says_end ? Result<std::size_t>(0) : Result<std::size_t>(Status::kWouldBlock);
    }
    const std::size_t size = std::min({into.size(), end.to_say.size(), random_() % 9000 + 1});
    std::memcpy(into.data(), end.to_say.data(), size);
    end.to_say.erase(0, size);
    return size;
  }
  Result<std::size_t> Write(Number number, std::span<const std::byte> bytes) override {
    if (random_() % 3 == 0)
      return Status::kWouldBlock;
    const std::size_t size = std::min<std::size_t>(bytes.size(), random_() % 20000 + 1);
    ends.at(number).got += Text(bytes.first(size));
    return size;
  }
  void ShutdownWrite(Number number) override { ends.at(number).got_end = true; }
  void Close(Number number, bool reset) override {
    ends.at(number).closed = true;
    ends.at(number).was_reset = reset;
  }
  void Watch(Number, bool, bool) override {}

  std::map<Number, FarEnd> ends;

 private:
  std::mt19937_64& random_;
};

class Pair final : public io::OutsidePort {
 public:
  explicit Pair(std::uint64_t seed)
      : random(seed), outside(random), bridge(outside, [this](const auto& header, auto payload) {
          to_kernel.push_back({header, std::string(Text(payload))});
        }) {}

  Status Send(const abi::OffloadHeader& header, Bytes payload) override {
    to_process.push_back({header, std::string(Text(payload))});
    return Status::kOk;
  }
  void WakeAgent() override { woken = true; }

  void NewDaemon() {
    // What the old daemon had in hand is lost, from the front or the back; a part had arrived.
    for (auto* queue : {&to_kernel, &to_process}) {
      const std::size_t arrived = queue->empty() ? 0 : random() % (queue->size() + 1);
      std::deque<Message> lost;
      lost.swap(*queue);
      if (queue == &to_kernel) {
        for (std::size_t i = 0; i < arrived; ++i) ToKernel(lost[i]);
      } else {
        // What the kernel had not handed over yet comes with the new daemon.
        for (std::size_t i = arrived; i < lost.size(); ++i) queue->push_back(lost[i]);
      }
    }
    const std::byte boot_id[16] = {};
    agent.OnSession(life, bridge.OnSession(boot_id));
  }
  void NewProcess() {
    to_kernel.clear();
    to_process.clear();
    agent.OnSession(0, 0);
    agent.OnSession(++life, 1);
  }
  void ToKernel(const Message& message) {
    agent.OnMessage(message.header, std::as_bytes(std::span(message.payload)));
  }
  // One random step.
  void Step() {
    switch (random() % 5) {
      case 0:
      case 1:
        if (!to_kernel.empty()) {
          const Message message = std::move(to_kernel.front());
          to_kernel.pop_front();
          ToKernel(message);
        }
        return;
      case 2:
      case 3:
        if (!to_process.empty()) {
          const Message message = std::move(to_process.front());
          to_process.pop_front();
          bridge.OnMessage(message.header, std::as_bytes(std::span(message.payload)));
        }
        return;
      default:
        if (std::exchange(woken, false) || !to_kernel.empty())
          agent.Serve();
        agent.Serve();
        for (auto& [number, end] : outside.ends) {
          if (end.closed)
            continue;
          if (std::exchange(end.connecting, false))
            end.refuses ? bridge.OnFailed(number, Status::kConnectionRefused)
                        : bridge.OnConnected(number);
          else
            bridge.OnReady(number);
        }
    }
  }

  std::mt19937_64 random;
  FakeOutside outside;
  Bridge bridge;
  io::OutsideAgent agent{*this};
  std::deque<Message> to_kernel, to_process;
  bool woken = false;
  std::uint64_t life = 1;
};

class OffloadTest : public test::ObjectFixture {
 protected:
  static io::SocketAddress At(std::uint16_t port) {
    io::SocketAddress address{};
    address.family = io::SocketFamily::kInternet;
    address.internet = abi::kOffloadHost;
    address.port = port;
    return address;
  }
  static RefPtr<RemoteConnection> Connect(Pair& pair, io::ReadyList& list,
                                          std::uint16_t port = 80) {
    return RefPtr<RemoteConnection>::Adopt(pair.agent.Connect({}, At(port), list).value());
  }
  static std::uint32_t Ready(io::ReadyList& list) {
    return abi::PollWord::Unpack(list.Word()).ready;
  }
  static std::string Noise(std::mt19937_64& random, std::size_t size) {
    std::string bytes(size, 0);
    for (char& byte : bytes) byte = static_cast<char>(random());
    return bytes;
  }
  // Reads what there is; the end or the error, else kWouldBlock.
  static Status ReadAll(RemoteConnection& connection, std::string* into) {
    char bytes[5000];
    while (true) {
      const auto count = connection.Read(BufferOut::Kernel(bytes, sizeof bytes), false);
      if (!count.ok() || count.value() == 0)
        return count.status();
      into->append(bytes, count.value());
    }
  }
};

TEST_F(OffloadTest, NobodyIsThere) {
  Pair pair(1);
  io::ReadyList list;
  EXPECT_EQ(pair.agent.Connect({}, At(80), list).status(), Status::kUnreachable);
}

TEST_F(OffloadTest, RefusedAndUnreachable) {
  for (const auto& [port, why] : {std::pair<std::uint16_t, Status>{1, Status::kUnreachable},
                                  {2, Status::kConnectionRefused}}) {
    Pair pair(1);
    pair.NewDaemon();
    io::ReadyList list;
    auto connection = Connect(pair, list, port);
    EXPECT_EQ(Ready(list), 0u);
    EXPECT_EQ(connection->ConnectState(), Status::kInProgress);
    for (int i = 0; i < 100; ++i) pair.Step();
    EXPECT_EQ(Ready(list) & (abi::kWritable | abi::kError | abi::kHangup),
              abi::kWritable | abi::kError | abi::kHangup);
    EXPECT_FALSE(connection->connected());
    EXPECT_EQ(connection->TakeError(), why);
    EXPECT_EQ(connection->TakeError(), Status::kOk);
    EXPECT_EQ(Ready(list) & abi::kError, 0u);
    EXPECT_EQ(pair.agent.count(), 0u);
    connection->Watch(nullptr);
    connection->Close(false);
  }
}

TEST_F(OffloadTest, HalfClose) {
  Pair pair(3);
  pair.NewDaemon();
  io::ReadyList list;
  auto connection = Connect(pair, list);
  for (int i = 0; i < 100; ++i) pair.Step();
  ASSERT_TRUE(connection->connected());
  EXPECT_EQ(Ready(list), abi::kWritable);
  FarEnd& far = pair.outside.ends.at(1);
  ASSERT_EQ(connection->Write(BufferIn::Kernel("question", 8)).value(), 8u);
  EXPECT_EQ(connection->Shutdown(io::ShutdownSide::kWrite), Status::kOk);
  for (int i = 0; i < 200; ++i) pair.Step();
  EXPECT_EQ(far.got, "question");
  EXPECT_TRUE(far.got_end);
  std::string got;
  EXPECT_EQ(ReadAll(*connection, &got), Status::kWouldBlock);
  far.to_say = "answer";
  far.says_end = true;
  for (int i = 0; i < 200; ++i) pair.Step();
  EXPECT_EQ(ReadAll(*connection, &got), Status::kOk);
  EXPECT_EQ(got, "answer");
  EXPECT_EQ(Ready(list) & abi::kError, 0u);
  EXPECT_EQ(pair.agent.count(), 0u);
  EXPECT_TRUE(far.closed && !far.was_reset);
  connection->Watch(nullptr);
  connection->Close(false);
}

TEST_F(OffloadTest, ResetComesBehindWhatCameBefore) {
  Pair pair(4);
  pair.NewDaemon();
  io::ReadyList list;
  auto connection = Connect(pair, list);
  for (int i = 0; i < 100; ++i) pair.Step();
  FarEnd& far = pair.outside.ends.at(1);
  far.to_say = "last words";
  far.resets = true;
  for (int i = 0; i < 200; ++i) pair.Step();
  EXPECT_NE(Ready(list) & abi::kError, 0u);
  std::string got;
  EXPECT_EQ(ReadAll(*connection, &got), Status::kConnectionReset);
  EXPECT_EQ(got, "last words");
  EXPECT_EQ(ReadAll(*connection, &got), Status::kOk);
  EXPECT_EQ(connection->Write(BufferIn::Kernel("x", 1)).status(), Status::kBrokenPipe);
  connection->Watch(nullptr);
  connection->Close(false);
  EXPECT_EQ(pair.agent.count(), 0u);
}

TEST_F(OffloadTest, TheProcessDies) {
  Pair pair(5);
  pair.NewDaemon();
  io::ReadyList open_list, asked_list;
  auto open = Connect(pair, open_list);
  for (int i = 0; i < 100; ++i) pair.Step();
  auto asked = Connect(pair, asked_list);
  pair.agent.Serve();
  pair.NewProcess();
  std::string got;
  EXPECT_EQ(ReadAll(*open, &got), Status::kConnectionReset);
  EXPECT_EQ(asked->TakeError(), Status::kUnreachable);
  EXPECT_EQ(pair.agent.count(), 0u);
  for (auto* one : {&open, &asked}) {
    (*one)->Watch(nullptr);
    (*one)->Close(false);
  }
}

TEST_F(OffloadTest, CloseDeliversWhatWasWritten) {
  Pair pair(6);
  pair.NewDaemon();
  io::ReadyList list;
  auto connection = Connect(pair, list);
  for (int i = 0; i < 100; ++i) pair.Step();
  const std::string said(50'000, 'w');
  ASSERT_EQ(connection->Write(BufferIn::Kernel(said.data(), said.size())).value(), said.size());
  connection->Watch(nullptr);
  connection->Close(false);
  connection = nullptr;
  for (int i = 0; i < 2000; ++i) pair.Step();
  FarEnd& far = pair.outside.ends.at(1);
  EXPECT_EQ(far.got, said);
  EXPECT_TRUE(far.got_end);
  EXPECT_FALSE(far.closed);
  far.says_end = true;
  for (int i = 0; i < 200; ++i) pair.Step();
  EXPECT_TRUE(far.closed && !far.was_reset);
  EXPECT_EQ(pair.agent.count(), 0u);
}

TEST_F(OffloadTest, LingerZeroAndUnreadBytesReset) {
  for (const bool linger : {true, false}) {
    Pair pair(7);
    pair.NewDaemon();
    io::ReadyList list;
    auto connection = Connect(pair, list);
    for (int i = 0; i < 100; ++i) pair.Step();
    FarEnd& far = pair.outside.ends.at(1);
    far.to_say = linger ? "" : "unread";
    for (int i = 0; i < 100; ++i) pair.Step();
    connection->Watch(nullptr);
    connection->Close(linger);
    for (int i = 0; i < 100; ++i) pair.Step();
    EXPECT_TRUE(far.closed && far.was_reset);
    EXPECT_EQ(pair.agent.count(), 0u);
  }
}

// A far end that goes on for ever after our close is cut.
TEST_F(OffloadTest, LingerEnds) {
  Pair pair(8);
  pair.NewDaemon();
  pair.bridge.Tick(1);
  io::ReadyList list;
  auto connection = Connect(pair, list);
  for (int i = 0; i < 100; ++i) pair.Step();
  connection->Watch(nullptr);
  connection->Close(false);
  for (int i = 0; i < 200; ++i) pair.Step();
  pair.bridge.Tick(Bridge::kLingerNs);
  EXPECT_FALSE(pair.outside.ends.at(1).closed);
  pair.bridge.Tick(Bridge::kLingerNs + 1);
  EXPECT_TRUE(pair.outside.ends.at(1).closed);
  for (int i = 0; i < 100; ++i) pair.Step();
  EXPECT_EQ(pair.agent.count(), 0u);
}

TEST_F(OffloadTest, SchedulesWithDyingDaemons) {
  constexpr std::uint64_t kSeeds = 1500;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Pair pair(seed);
    pair.NewDaemon();
    io::ReadyList list;
    auto connection = Connect(pair, list);
    const std::string there = Noise(pair.random, pair.random() % 200'000);
    const std::string back = Noise(pair.random, pair.random() % 200'000);
    std::size_t written = 0;
    std::string got;
    bool shut = false, ended = false, asked_far = false;
    const std::uint64_t rarity = pair.random() % 300 + 60;
    for (int step = 0; step < 200'000 && !(shut && ended && pair.agent.count() == 0); ++step) {
      pair.Step();
      if (pair.random() % rarity == 0)
        pair.NewDaemon();
      if (!asked_far && pair.outside.ends.contains(1)) {
        asked_far = true;
        pair.outside.ends.at(1).to_say = back;
        pair.outside.ends.at(1).says_end = true;
      }
      if (!connection->connected())
        continue;
      if (pair.random() % 4 == 0 && written < there.size()) {
        const std::size_t size = std::min(there.size() - written, pair.random() % 30'000 + 1);
        const auto count = connection->Write(BufferIn::Kernel(there.data() + written, size));
        ASSERT_TRUE(count.ok() || count.status() == Status::kWouldBlock)
            << StatusName(count.status());
        written += count.ok() ? count.value() : 0;
      }
      if (written == there.size() && !shut) {
        shut = true;
        ASSERT_EQ(connection->Shutdown(io::ShutdownSide::kWrite), Status::kOk);
      }
      if (pair.random() % 8 == 0) {
        const Status status = ReadAll(*connection, &got);
        ASSERT_TRUE(status == Status::kOk || status == Status::kWouldBlock) << StatusName(status);
        ended |= status == Status::kOk;
      }
    }
    ASSERT_TRUE(shut && ended) << written << " written, " << got.size() << " got";
    const FarEnd& far = pair.outside.ends.at(1);
    ASSERT_EQ(pair.outside.ends.size(), 1u);
    ASSERT_TRUE(got == back) << got.size() << " of " << back.size();
    ASSERT_TRUE(far.got == there) << far.got.size() << " of " << there.size() << ", closed "
                                  << far.closed << ", reset " << far.was_reset;
    ASSERT_TRUE(far.got_end);
    ASSERT_EQ(pair.agent.count(), 0u);
    connection->Watch(nullptr);
    connection->Close(false);
  }
}

// Each side against a peer that says anything: connections may break, memory is bounded, nothing
// else happens.
Message Nonsense(std::mt19937_64& random) {
  Message message{};
  message.header.kind = static_cast<abi::OffloadKind>(random() % 13);
  message.header.flags = static_cast<std::uint16_t>(random() % 3);
  message.header.status = static_cast<std::int32_t>(random() % 4 == 0 ? 0 : random());
  message.header.connection = random() % 6;
  const auto number = [&random]() -> std::uint64_t {
    return random() % 8 == 0 ? random() : random() % (3 * abi::kOffloadWindow);
  };
  message.header.position = random() % 2 == 0 ? 0 : number();
  message.header.limit = number();
  message.payload.assign(random() % 3 == 0 ? 8 : random() % abi::kOffloadPiece, 'n');
  return message;
}

TEST_F(OffloadTest, AHostileKernel) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Pair pair(seed);
    pair.NewDaemon();
    for (int i = 0; i < 500; ++i) {
      pair.to_process.push_back(Nonsense(pair.random));
      pair.Step();
      pair.Step();
      pair.to_kernel.clear();
      if (pair.random() % 100 == 0)
        pair.NewDaemon();
    }
    EXPECT_LE(pair.bridge.size(), abi::kOffloadConnections);
  }
}

TEST_F(OffloadTest, AHostileProcess) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Pair pair(seed);
    pair.NewDaemon();
    io::ReadyList lists[4];
    RefPtr<RemoteConnection> connections[4];
    for (int i = 0; i < 4; ++i) connections[i] = Connect(pair, lists[i]);
    for (int i = 0; i < 500; ++i) {
      pair.to_kernel.push_back(Nonsense(pair.random));
      pair.Step();
      pair.Step();
      pair.to_process.clear();
      RemoteConnection& one = *connections[pair.random() % 4];
      const std::string said(pair.random() % 20'000, 's');
      (void)one.Write(BufferIn::Kernel(said.data(), said.size()));
      std::string got;
      (void)ReadAll(one, &got);
      EXPECT_LE(one.readable_bytes(), std::uint64_t{abi::kOffloadWindow});
    }
    for (auto& one : connections) {
      one->Watch(nullptr);
      one->Close(true);
    }
    pair.agent.OnSession(0, 0);
    EXPECT_EQ(pair.agent.count(), 0u);
  }
}

}  // namespace
}  // namespace k42::offload
