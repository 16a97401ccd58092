// libFuzzer: a hostile daemon against its kernel's end of the link. The input says what the daemon
// writes into the arena (anywhere below the data area), what it puts into the receive ring, and
// what the kernel does in between. Every request must end at most once, and what a receiver is
// handed must be as long as its frame says.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "abi/arena_layout.h"
#include "abi/receive_ring.h"
#include "fuzz/fuzz_input.h"
#include "global/link_port.h"

namespace {

using namespace k42;

constexpr std::uint64_t kSize = abi::kArenaMinimum;
constexpr std::uint32_t kRequests = 100;  // more than there are operations: some wait

struct Asked : global::LinkRequest {
  bool out = false;
};

class Bell final : public global::LinkDoorbell {
 public:
  void Kick(machine::CpuId) override {}
};

class Reading final : public global::LinkReceiver {
 public:
  void OnMessage(global::LinkPeer, const abi::Frame& frame, Bytes payload) override {
    if (frame.payload_size != payload.size())
      std::abort();
    for (const std::byte one : payload) sum += static_cast<std::size_t>(one);
  }
  std::size_t sum = 0;
};

struct Kernel {
  explicit Kernel(std::byte* arena) : base(arena) {
    if (port->Start(base, kSize, 1, bell) != Status::kOk)
      std::abort();
    for (const auto channel : {abi::Channel::kCall, abi::Channel::kControl})
      port->SetReceiver(channel, receiver);
  }
  void Submit(FuzzInput& input) {
    Asked& request = asked[input.Take<std::uint8_t>() % kRequests];
    if (request.out)
      return;
    request.out = true;
    request.kind = static_cast<abi::OperationKind>(input.Take<std::uint8_t>() % 9);
    request.flags = input.Take<std::uint8_t>();
    request.peer = {input.Take<std::uint8_t>() % 4u, 88};
    request.payload = Bytes(payload, input.Take<std::uint16_t>() % sizeof payload);
    request.done = [](global::LinkRequest& ended) {
      auto& own = static_cast<Asked&>(ended);
      if (!own.out)
        std::abort();
      own.out = false;
    };
    port->Submit(request);
  }

  std::byte* base;
  Bell bell;
  Reading receiver;
  std::byte payload[abi::kMaxMessage + 64] = {};
  Asked asked[kRequests];
  std::unique_ptr<global::LinkPort> port = std::make_unique<global::LinkPort>();
};

// A record that is almost right, where the ring's words say.
void Give(std::byte* base, const abi::ArenaLayout& layout, FuzzInput& input) {
  auto& ring = *reinterpret_cast<abi::ReceiveRingMemory*>(base + layout.ReceiveRingAt(0));
  auto producer = abi::ReceiveProducer::Adopt(ring);
  if (!producer.ok())
    return;
  abi::RecordHeader record{};
  record.kind = static_cast<abi::RecordKind>(input.Take<std::uint8_t>() % 6);
  record.channel = input.Take<std::uint8_t>() % 6;
  record.peer_node = 2;
  record.value = input.Take<std::uint8_t>();
  abi::Frame frame{};
  frame.magic = abi::kFrameMagic;
  frame.version = abi::kFrameVersion;
  frame.kind = static_cast<abi::FrameKind>(input.Take<std::uint8_t>() % 8);
  const auto body = input.TakeBytes(input.Take<std::uint8_t>());
  frame.payload_size = static_cast<std::uint32_t>(body.size()) + input.Take<std::uint8_t>() / 250;
  (void)producer.value().Write(record, BytesOf(frame), body);
}

// The end of an operation that is under way, or was, or never will be.
void End(std::byte* base, const abi::ArenaLayout& layout, FuzzInput& input) {
  const std::uint32_t slot = input.Take<std::uint8_t>() % (abi::kOperationsPerCpu + 1);
  if (slot >= layout.OperationCount())
    return;
  auto& operation = *reinterpret_cast<abi::Operation*>(base + layout.OperationAt(slot));
  const std::uint64_t id = operation.id.load() + input.Take<std::uint8_t>() / 250;
  operation.outcome = static_cast<abi::Outcome>(input.Take<std::uint8_t>() % 5);
  operation.ended.store(id);
  auto& ring = *reinterpret_cast<abi::ReceiveRingMemory*>(base + layout.ReceiveRingAt(0));
  auto producer = abi::ReceiveProducer::Adopt(ring);
  abi::RecordHeader record{};
  record.kind = abi::RecordKind::kCompletion;
  record.value = id;
  if (producer.ok())
    (void)producer.value().Write(record);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static auto* const arena = static_cast<std::byte*>(std::aligned_alloc(abi::kArenaPage, kSize));
  const auto layout = abi::ComputeArenaLayout(kSize, 1).value();
  std::memset(arena, 0, layout.data);
  auto kernel = std::make_unique<Kernel>(arena);
  FuzzInput input(data, size);
  while (!input.empty()) {
    switch (input.Take<std::uint8_t>() % 8) {
      case 0: {
        const std::uint64_t at = input.Take<std::uint32_t>() % (layout.data - 8);
        const auto bytes = input.TakeBytes(8);
        std::memcpy(arena + at, bytes.data(), bytes.size());
        break;
      }
      case 1:
      case 2:
        kernel->Submit(input);
        break;
      case 3:
        End(arena, layout, input);
        break;
      case 4:
        Give(arena, layout, input);
        break;
      case 5: {  // a new daemon
        auto& daemon = *reinterpret_cast<abi::DaemonHeader*>(arena + abi::kArenaPage);
        daemon.generation.store(input.Take<std::uint8_t>());
        daemon.state.store(static_cast<abi::DaemonState>(input.Take<std::uint8_t>() % 5));
        break;
      }
      case 6:
        (void)kernel->port->PrepareSleep();
        kernel->port->Beat(7);
        (void)kernel->port->HasAuthority(8);
        (void)kernel->port->Self();
        break;
      default:
        if (kernel->port->Drain() > 64)
          std::abort();
    }
  }
  return 0;
}
