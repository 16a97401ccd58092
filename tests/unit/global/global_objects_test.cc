// Global objects between nodes of one test program: each node is a virtual CPU, the link a message.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>

#include "global/cluster_barrier.h"
#include "global/cluster_barrier.wire.h"
#include "global/cluster_counter.h"
#include "global/cluster_counter.wire.h"
#include "global/forwarding.h"
#include "support/node_fixture.h"

namespace k42::global {
namespace {

using machine::hosted::RunOn;
using machine::hosted::RunOnAllCpus;

constexpr std::uint64_t kIncarnation = 77;

// Node n lives on CPU n - 1.
class LoopEndpoint final : public Endpoint {
 public:
  struct Letter : machine::CpuMessage {
    LinkPeer from;
    abi::Frame frame;
    std::size_t size;
    std::byte bytes[cobj::kWireMax];
  };
  explicit LoopEndpoint(std::uint32_t node) : node_(node) {}
  LinkPeer Self() const override { return {node_, kIncarnation}; }
  Status Send(LinkPeer peer, std::uint32_t, const abi::Frame& frame, Bytes payload) override {
    if (down.load() == peer.node)
      return Status::kEndpointDown;
    auto* letter = new Letter;
    letter->from = Self();
    letter->frame = frame;
    letter->size = payload.size();
    if (!payload.empty())
      std::memcpy(letter->bytes, payload.data(), payload.size());
    letter->handler = [](machine::CpuMessage* message) {
      auto* arrived = static_cast<Letter*>(message);
      nodes[machine::CurrentCpu()]->OnMessage(arrived->from, arrived->frame,
                                              Bytes(arrived->bytes, arrived->size));
      delete arrived;
    };
    machine::Send(peer.node - 1, letter);
    return Status::kOk;
  }
  bool HasLeft(LinkPeer peer) const override { return left.load() == peer.node; }
  static inline std::atomic<std::uint32_t> left{0};
  static inline GlobalNode* nodes[4] = {};
  static inline std::atomic<std::uint32_t> down{0};

 private:
  const std::uint32_t node_;
};

class GlobalObjects : public test::ObjectFixture {
 protected:
  static void SetUpTestSuite() {
    test::TestNode::Get();
    machine::hosted::SetCpuCount(4);
    for (std::uint32_t i = 0; i < 4; ++i) {
      // For ever: their serving threads never end.
      LoopEndpoint::nodes[i] =
          new GlobalNode(*new LoopEndpoint(i + 1), *new test::CountingAllocator);
      RunOn(i, [i] { (void)LoopEndpoint::nodes[i]->AddCpu(i); });
    }
  }
  static GlobalNode& Node(std::uint32_t number) { return *LoopEndpoint::nodes[number - 1]; }
};

TEST_F(GlobalObjects, ACounterOfTheClusterCountsForAll) {
  const auto home = cobj::MakeShared<ClusterCounter>().value();
  const LinkPeer first = Node(1).endpoint().Self();
  const GlobalId id = Node(1).exports().Export(first, home.bits(), kClusterCounterClass).value();
  RunOnAllCpus([&](machine::CpuId cpu) {
    const auto counter =
        ImportGlobal<RemoteClusterCounter>(*LoopEndpoint::nodes[cpu], first, id).value();
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(counter->Add(1).ok());
    EXPECT_GE(counter->Read().value(), 50u);
    EXPECT_EQ(cobj::Destroy(counter), Status::kOk);
  });
  EXPECT_EQ(home->Read().value(), 200u);
  EXPECT_EQ(Node(1).exports().Withdraw(id), Status::kOk);
  RunOn(2, [&] {
    const auto counter = ImportGlobal<RemoteClusterCounter>(Node(3), first, id).value();
    EXPECT_EQ(counter->Add(1).status(), Status::kDeleted);
    EXPECT_EQ(cobj::Destroy(counter), Status::kOk);
  });
  EXPECT_EQ(cobj::Destroy(home), Status::kOk);
}

TEST_F(GlobalObjects, NodesMeetAtABarrier) {
  const auto home = cobj::MakeShared<ClusterBarrier>(4u).value();
  const LinkPeer second = Node(2).endpoint().Self();
  Node(2).exports().ExportAs(WellKnown::kTestBarrier, home.bits(), kClusterBarrierClass);
  const GlobalId id = WellKnownId(second, WellKnown::kTestBarrier);
  std::atomic<int> arrived{0};
  RunOnAllCpus([&](machine::CpuId cpu) {
    const auto barrier =
        ImportGlobal<RemoteClusterBarrier>(*LoopEndpoint::nodes[cpu], second, id).value();
    for (int round = 1; round <= 10; ++round) {
      ++arrived;
      ASSERT_EQ(WaitAtBarrier(barrier, cpu, machine::MonotonicNs() + 10'000'000'000), Status::kOk);
      ASSERT_GE(arrived.load(), 4 * round);
    }
    EXPECT_EQ(cobj::Destroy(barrier), Status::kOk);
  });
  EXPECT_EQ(cobj::Destroy(home), Status::kOk);
}

TEST_F(GlobalObjects, OtherClassesAndOtherLivesAreRefused) {
  const auto home = cobj::MakeShared<ClusterCounter>().value();
  const LinkPeer first = Node(1).endpoint().Self();
  const GlobalId id = Node(1).exports().Export(first, home.bits(), kClusterCounterClass).value();
  RunOn(1, [&] {
    const auto wrong = ImportGlobal<RemoteClusterBarrier>(Node(2), first, id).value();
    EXPECT_EQ(wrong->Passed(0).status(), Status::kVersionMismatch);
    const GlobalId old = GlobalId::Make(1, kIncarnation - 1, id.slot(), id.generation());
    const auto former = ImportGlobal<RemoteClusterCounter>(Node(2), first, old).value();
    EXPECT_EQ(former->Read().status(), Status::kStaleIncarnation);
    EXPECT_EQ(cobj::Destroy(wrong), Status::kOk);
    EXPECT_EQ(cobj::Destroy(former), Status::kOk);
  });
  EXPECT_EQ(cobj::Destroy(home), Status::kOk);
}

TEST_F(GlobalObjects, ADeadNodeEndsTheWait) {
  const LinkPeer third = Node(3).endpoint().Self();
  LoopEndpoint::down = 3;
  RunOn(0, [&] {
    const auto counter =
        ImportGlobal<RemoteClusterCounter>(Node(1), third,
                                           WellKnownId(third, WellKnown::kTestCounter), 30'000'000)
            .value();
    EXPECT_EQ(counter->Read().status(), Status::kTimedOut);
    EXPECT_EQ(cobj::Destroy(counter), Status::kOk);
  });
  LoopEndpoint::down = 0;
}

}  // namespace
}  // namespace k42::global
