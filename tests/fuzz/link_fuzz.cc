// libFuzzer: a hostile kernel against its daemon. The input says what the kernel writes into its
// arena (headers, windows, operations, rings, anywhere) and what the daemon and a peer do in
// between. Nothing of the arena but its data area may be named by a request that goes out or a
// window that is resolved. Also a hostile daemon against the kernel's end of a receive ring.
#include <cstdlib>
#include <memory>

#include "abi/arena_format.h"
#include "fuzz/fuzz_input.h"
#include "interconnect/link_host.h"
#include "interconnect/memory_operation.h"
#include "interconnect/request_queue.h"

namespace {

using namespace k42;
using namespace k42::interconnect;

constexpr std::uint64_t kSize = abi::kArenaMinimum;
constexpr std::uint32_t kCpus = 2;

// Ends everything at once; the memory it would move lies where it may.
class Checking final : public Transport {
 public:
  Checking(Arena& arena, Events& events) : arena_(arena), events_(events) {}
  std::string_view Name() const override { return "checking"; }
  std::string LocalAddress() const override { return {}; }
  void SetIdentity(const LocalIdentity&) override {}
  void AddPeer(const PeerInfo&) override {}
  void RemovePeer(PeerId, Status) override {}
  void Submit(const Request& request) override {
    const Status status = CheckLocal(arena_, request);
    const bool moves =
        request.kind != OperationKind::kFlush && AccessNeeded(request.kind) != abi::kAccessAtomic;
    if (status == Status::kOk && moves &&
        !arena_.layout().InData(request.local_offset, request.length))
      std::abort();
    End(events_, request, status == Status::kOk ? Outcome::kDone : Outcome::kNotSent, status);
  }
  void RevokeWindow(Token token, abi::WindowId) override {
    events_.OnCompletion({token, Outcome::kDone, Status::kOk, 0});
  }
  std::size_t Progress() override { return 0; }
  int WaitFd() const override { return -1; }
  bool Arm() override { return true; }
  std::uint64_t NextTimer() const override { return 0; }

 private:
  Arena& arena_;
  Events& events_;
};

struct Daemon {
  explicit Daemon(Arena& arena) : arena(arena), transport(arena, link) {}

  Arena& arena;
  ManualClock clock;
  std::size_t controls = 0;
  LinkHost link{
      arena,
      {.call = [](std::uint32_t) {},
       .route = [this](PeerId peer) { return peer.node == 2 ? &transport : nullptr; },
       .is_member = [](PeerId peer) { return peer.node == 3; },
       .transports = [this] { return std::vector<Transport*>{&transport}; },
       .on_control = [this](const abi::Frame&,
                            std::span<const std::byte> payload) { controls += payload.size(); }},
      clock};
  Checking transport;
};

// An operation that is almost right, in the submit ring.
void SubmitOne(Arena& arena, FuzzInput& input) {
  const std::uint32_t slot = input.Take<std::uint8_t>() % (kCpus * abi::kOperationsPerCpu);
  const auto& layout = arena.layout();
  abi::Operation& operation = arena.operation(slot);
  operation.kind = static_cast<OperationKind>(input.Take<std::uint8_t>() % 10);
  operation.channel = static_cast<abi::Channel>(input.Take<std::uint8_t>() % 5);
  operation.peer_node = input.Take<std::uint8_t>() % 4 == 0 ? abi::kDaemonNode : 2;
  operation.length = input.Take<std::uint16_t>();
  operation.local_offset = layout.data + input.Take<std::uint32_t>() % (kSize + 4096);
  operation.receiver_cpu = input.Take<std::uint8_t>();
  operation.flags = input.Take<std::uint8_t>();
  const auto message = input.TakeBytes(sizeof(abi::Frame));
  if (layout.InData(operation.local_offset, message.size()))
    std::memcpy(arena.At(operation.local_offset), message.data(), message.size());
  const std::uint64_t id = abi::MakeOperationId(input.Take<std::uint8_t>() + 1u, slot);
  operation.id.store(id);
  const std::uint32_t cpu = slot / abi::kOperationsPerCpu;
  auto& ring = arena.Get<abi::SubmitRingMemory>(layout.SubmitRingAt(cpu));
  const std::uint64_t produced = ring.producer.produced.load();
  ring.entries[produced % abi::kSubmitEntries] = id;
  ring.producer.produced.store(produced + 1);
}

void ResolveOne(Arena& arena, FuzzInput& input) {
  const abi::WindowId window =
      abi::MakeWindowId(input.Take<std::uint16_t>(), input.Take<std::uint8_t>());
  const auto offset = input.Take<std::uint64_t>();
  const auto length = input.Take<std::uint64_t>();
  const std::uint32_t access = input.Take<std::uint8_t>() % 8;
  const auto place = arena.Resolve(window, {2, 88}, offset, length, access);
  if (place.ok() && !arena.layout().InData(place.value(), length))
    std::abort();
}

// The other way round: `bytes` are a receive ring, as the kernel finds it.
void ReadRing(std::span<const std::byte> bytes) {
  auto ring = std::make_unique<abi::ReceiveRingMemory>();
  std::memcpy(static_cast<void*>(ring.get()), bytes.data(), std::min(bytes.size(), sizeof *ring));
  abi::ReceiveConsumer consumer(*ring);
  for (int i = 0; i < 10'000; ++i) {
    const auto record = consumer.Front();
    if (!record.ok())
      return;
    std::size_t sum = 0;
    for (std::byte one : record.value().Payload()) sum += static_cast<std::size_t>(one);
    if (sum == ~std::size_t{0})
      std::abort();  // the payload is read, to its last byte
    consumer.Drop();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::unique_ptr<Arena> arena = Arena::CreateFormatted(kSize, kCpus);
  const std::uint8_t boot_id[16] = {};
  if (arena == nullptr || !abi::FormatArena(arena->At(0), kSize, kCpus, boot_id).ok())
    std::abort();
  FuzzInput input(data, size);
  if (input.Take<std::uint8_t>() % 8 == 0) {
    ReadRing(input.rest());
    return 0;
  }
  auto daemon = std::make_unique<Daemon>(*arena);
  bool attached = daemon->link.Attach() == Status::kOk;
  while (!input.empty()) {
    switch (input.Take<std::uint8_t>() % 8) {
      case 0: {  // anywhere below the data area
        const std::uint64_t at = input.Take<std::uint32_t>() % (arena->layout().data - 8);
        const auto bytes = input.TakeBytes(8);
        std::memcpy(arena->At(at), bytes.data(), bytes.size());
        break;
      }
      case 1:
        SubmitOne(*arena, input);
        break;
      case 2:
        daemon->link.Serve();
        break;
      case 3: {
        const auto message = input.TakeBytes(input.Take<std::uint8_t>());
        if (attached)
          daemon->link.OnMessage({2, 88}, abi::Channel::kCall, input.Take<std::uint8_t>(), message);
        break;
      }
      case 4: {
        LocalIdentity identity;
        identity.self = {1, 77};
        if (attached) {
          daemon->link.GoUp(identity, 5);
          daemon->link.Open();
        }
        break;
      }
      case 5:
        ResolveOne(*arena, input);
        break;
      case 6:  // a new daemon adopts what is there
        daemon = std::make_unique<Daemon>(*arena);
        attached = daemon->link.Attach() == Status::kOk;
        break;
      default:
        if (attached) {
          daemon->link.Arm();
          daemon->link.OnNotify({2, 88}, abi::Channel::kStream, input.Take<std::uint8_t>(), 1);
        }
        daemon->clock.Advance(1'000'000);
        (void)daemon->link.TakeOverflowed();
    }
  }
  return 0;
}
