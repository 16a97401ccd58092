// What the kernel's end of the link costs: a message out with its end, and one in. Counts of
// instructions where run with `run.py --icount --cpus 1`; the bench reads these lines. The daemon's
// end is played here, between the counts, and never sleeps: doorbell and interrupt are not in them.
#include <cstring>

#include "abi/receive_ring.h"
#include "abi/submit_ring.h"
#include "global/link_port.h"
#include "guest/guest_test.h"
#include "machine/clock.h"

namespace k42 {
namespace {

constexpr std::uint64_t kMessages = 2000;
constexpr std::size_t kPayload = 64;

alignas(abi::kArenaPage) std::byte arena[abi::kArenaMinimum];
constinit global::LinkPort port;

class NoBell final : public global::LinkDoorbell {
 public:
  void Kick(machine::CpuId) override { ++kicks; }
  int kicks = 0;
};

class Counting final : public global::LinkReceiver {
 public:
  void OnMessage(global::LinkPeer, const abi::Frame&, Bytes payload) override {
    bytes += payload.size();
  }
  std::size_t bytes = 0;
};

constinit NoBell bell;
constinit Counting receiver;

// Of two readings of the clock with nothing between.
std::uint64_t Empty() {
  const std::uint64_t begin = machine::MonotonicNs();
  return machine::MonotonicNs() - begin;
}

GUEST_TEST(link_cost) {
  REQUIRE(port.Start(arena, sizeof arena, 1, bell) == Status::kOk);
  port.SetReceiver(abi::Channel::kEcho, receiver);
  const auto layout = abi::ComputeArenaLayout(sizeof arena, 1);
  REQUIRE(layout.ok());
  auto& submit = *reinterpret_cast<abi::SubmitRingMemory*>(arena + layout.value().SubmitRingAt(0));
  auto& receive =
      *reinterpret_cast<abi::ReceiveRingMemory*>(arena + layout.value().ReceiveRingAt(0));
  auto taken = abi::SubmitConsumer::Adopt(submit);
  auto given = abi::ReceiveProducer::Adopt(receive);
  REQUIRE(taken.ok() && given.ok());
  const std::byte payload[kPayload] = {};
  abi::Frame frame{};
  frame.magic = abi::kFrameMagic;
  frame.version = abi::kFrameVersion;
  frame.kind = abi::FrameKind::kOneWay;
  frame.payload_size = kPayload;

  std::uint64_t out = 0, end = 0, in = 0;
  for (std::uint64_t i = 0; i < kMessages; ++i) {
    global::LinkRequest request;
    request.channel = abi::Channel::kEcho;
    request.peer = {2, 7};
    request.payload = Bytes(payload, kPayload);
    request.done = [](global::LinkRequest&) {};
    std::uint64_t begin = machine::MonotonicNs();
    port.Submit(request);
    out += machine::MonotonicNs() - begin;

    const auto id = taken.value().Front();
    REQUIRE(id.ok());
    taken.value().Drop();
    auto& operation = *reinterpret_cast<abi::Operation*>(
        arena + layout.value().OperationAt(abi::OperationSlot(id.value())));
    operation.outcome = abi::Outcome::kDone;
    operation.ended.store(id.value());
    abi::RecordHeader record{};
    record.kind = abi::RecordKind::kCompletion;
    record.value = id.value();
    EXPECT(given.value().Write(record) == Status::kOk);
    begin = machine::MonotonicNs();
    EXPECT(port.Drain() == 1);
    end += machine::MonotonicNs() - begin;
    EXPECT(request.outcome == abi::Outcome::kDone);

    record = {};
    record.kind = abi::RecordKind::kMessage;
    record.channel = static_cast<std::uint16_t>(abi::Channel::kEcho);
    EXPECT(given.value().Write(record, BytesOf(frame), Bytes(payload, kPayload)) == Status::kOk);
    begin = machine::MonotonicNs();
    EXPECT(port.Drain() == 1);
    in += machine::MonotonicNs() - begin;
  }
  EXPECT(receiver.bytes == kMessages * kPayload);
  EXPECT(bell.kicks == 0);
  const std::uint64_t empty = Empty();
  machine::Log("  link_send {}", out / kMessages - empty);
  machine::Log("  link_end {}", end / kMessages - empty);
  machine::Log("  link_receive {}", in / kMessages - empty);
}

}  // namespace
}  // namespace k42
