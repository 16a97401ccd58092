// Loading modules into this kernel: permissions of their pages, every refusal, a class taken forth
// and back under calls of all CPUs, and code that goes when nothing runs on it any more.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <string_view>

#include "abi/receive_ring.h"
#include "abi/submit_ring.h"
#include "base/sha256.h"
#include "boot/kernel_exports.h"
#include "boot/start_memory.h"
#include "boot/start_modules.h"
#include "boot/test_hook.h"
#include "boot/upgrade_agent.h"
#include "cobj/factory.h"
#include "guest/guest_test.h"
#include "idl/probe.forward.h"
#include "kernel_tables.h"
#include "machine/clock.h"
#include "machine/kernel_layout.h"
#include "machine/thread.h"
#include "machine/timer.h"
#include "mem/heap.h"
#include "support/probe.h"

extern "C" const std::byte carried_module[], carried_module_end[];

namespace k42 {
namespace {

using cobj::Sentence;
using Probe = cobj::Ref<idl::IProbe>;

// The kernel's one, as in every kernel: what one test does to it is undone by the test.
cobj::Factory<idl::IProbe>& Factory() {
  static constinit cobj::Factory<idl::IProbe> factory(1, test::ProbeV1::Make);
  return factory;
}
cobj::Upgrader& Upgrader() {
  return boot::TheUpgrader();
}

}  // namespace

// Before the link: a node joins when its classes are what the cluster runs.
void boot::RegisterTestClasses(cobj::Upgrader& upgrader) {
  (void)upgrader.Register(test::kProbeClass, Factory());
}

namespace {

// A copy of the module that may be changed, and what an honest daemon would say of it.
class ModuleFile {
 public:
  ModuleFile() : size_(static_cast<std::size_t>(carried_module_end - carried_module)) {
    bytes_ = static_cast<std::byte*>(mem::Allocate(size_));
    std::memcpy(bytes_, carried_module, size_);
    std::byte* record = Find(BytesOf(abi::kModuleMagic));
    record_ = reinterpret_cast<abi::ModuleRecord*>(record);
    const auto id = boot::KernelBuildId();
    std::memcpy(record_->build_id, id.data(), id.size());
  }
  ~ModuleFile() { mem::Free(bytes_, size_); }

  abi::ModuleRecord& record() { return *record_; }
  Bytes bytes() const { return {bytes_, size_}; }
  std::byte* Find(Bytes what) {
    for (std::size_t at = 0; at + what.size() <= size_; ++at) {
      if (std::memcmp(bytes_ + at, what.data(), what.size()) == 0)
        return bytes_ + at;
    }
    return nullptr;
  }
  cobj::ModuleClaim Claim() const {
    cobj::ModuleClaim claim;
    const Sha256Digest digest = Sha256(bytes());
    std::memcpy(claim.digest.bytes, digest.data(), digest.size());
    std::memcpy(claim.class_name, test::kProbeClass, sizeof test::kProbeClass);
    claim.from_version = 1;
    claim.to_version = 2;
    return claim;
  }

 private:
  std::size_t size_;
  std::byte* bytes_;
  abi::ModuleRecord* record_;
};

bool Says(const Sentence& why, std::string_view words) {
  if (why.text().find(words) != std::string_view::npos)
    return true;
  machine::Log("  said: {}", why.text());
  return false;
}

struct Pages {
  std::uint32_t code = 0, constants = 0, data = 0, wrong = 0;
};
Pages ModulePages() {
  Pages pages;
  constexpr std::uint64_t kLooked = 16 << 20;  // modules are placed from the front
  for (std::uint64_t at = machine::kModuleAreaBase; at < machine::kModuleAreaBase + kLooked;
       at += machine::kPageSize) {
    const machine::PageTableEntry entry = machine::KernelPageEntry(at);
    if ((entry & machine::kPtePresent) == 0)
      continue;
    const bool writable = (entry & machine::kPteWritable) != 0;
    const bool executable = (entry & machine::kPteNoExecute) == 0;
    pages.wrong += writable && executable;
    pages.code += executable && !writable;
    pages.data += writable && !executable;
    pages.constants += !writable && !executable;
  }
  return pages;
}

GUEST_TEST(modules_are_exported_names_only) {
  boot::KernelExports exports;
  const auto find = [&](std::string_view name) { return exports.Find({name.data(), name.size()}); };
  EXPECT(boot::KernelBuildId().size() == abi::kBuildIdSize);
  EXPECT(find("memcpy").ok());
  EXPECT_EQ(find("memcpy").ValueOr(0), reinterpret_cast<std::uint64_t>(&std::memcpy));
  EXPECT_EQ(find("kernel_begin").status(), Status::kNotFound);
  EXPECT_EQ(find("").status(), Status::kNotFound);
  EXPECT_EQ(find("memcp").status(), Status::kNotFound);
  EXPECT_EQ(find("zzzz").status(), Status::kNotFound);
}

GUEST_TEST(modules_forth_and_back) {
  constexpr std::uint64_t kObjects = 8;
  Probe probes[kObjects];
  for (Probe& probe : probes) {
    const Result<Probe> made = Factory().Create();
    REQUIRE(made.ok());
    probe = made.value();
    EXPECT_EQ(probe->Add(5).ValueOr(0), 5u);
  }
  const ModuleFile file;
  for (std::uint64_t round = 1; round <= 3; ++round) {
    Sentence why;
    EXPECT_EQ(Upgrader().Load(file.bytes(), file.Claim(), why), Status::kOk);
    EXPECT_EQ(Factory().version(), 2u);
    const Pages pages = ModulePages();
    EXPECT(pages.code > 0 && pages.constants > 0 && pages.wrong == 0);
    EXPECT_EQ(pages.data, 1u);  // the module's one counter
    for (const Probe probe : probes) {
      EXPECT_EQ(probe->Version().ValueOr(0), 2u);
      EXPECT_EQ(probe->Add(1).ValueOr(0), 5 + 2 * round - 1);
    }
    // A module can be loaded over itself only by its own versions.
    EXPECT_EQ(Upgrader().Load(file.bytes(), file.Claim(), why), Status::kVersionMismatch);
    EXPECT_EQ(Upgrader().Back(test::kProbeClass, 1, why), Status::kVersionMismatch);
    EXPECT_EQ(Upgrader().Back(test::kProbeClass, 2, why), Status::kOk);
    EXPECT_EQ(Upgrader().Back(test::kProbeClass, 1, why), Status::kVersionMismatch);
    for (const Probe probe : probes) {
      EXPECT_EQ(probe->Version().ValueOr(0), 1u);
      EXPECT_EQ(probe->Add(1).ValueOr(0), 5 + 2 * round);
    }
    // Nothing runs on the module's code any more: its memory has gone.
    EXPECT_EQ(Upgrader().Collect(), 0u);
    const Pages after = ModulePages();
    EXPECT_EQ(after.code + after.constants + after.data, 0u);
  }
  for (const Probe probe : probes) EXPECT_EQ(cobj::Destroy(probe), Status::kOk);
}

constinit std::atomic<bool> calling{false};
constinit std::atomic<std::uint32_t> callers{0};
constinit std::atomic<std::uint64_t> calls{0}, failures{0};
constinit Probe called;

void Call(void*) {
  std::uint64_t mine = 0;
  while (calling.load(std::memory_order_relaxed)) {
    if (called->Add(1).ok())
      ++mine;
    else
      failures.fetch_add(1);
    if (mine % 64 == 0) {  // nothing of the object is held: a quiet point
      machine::Thread::Current()->Unblock();
      machine::Thread::BlockExternal();
    }
    machine::Thread::PreemptionPoint();
  }
  calls.fetch_add(mine);
  callers.fetch_sub(1);
  machine::Thread::Exit();
}

GUEST_TEST(modules_under_calls) {
  const Result<Probe> made = Factory().Create();
  REQUIRE(made.ok());
  called = made.value();
  calling = true;
  calls = failures = 0;
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    callers.fetch_add(1);
    REQUIRE(machine::Thread::Create("caller", Call, nullptr, cpu).ok());
  }
  const ModuleFile file;
  for (int round = 0; round < 20; ++round) {
    Sentence why;
    EXPECT_EQ(Upgrader().Load(file.bytes(), file.Claim(), why), Status::kOk);
    EXPECT_EQ(Upgrader().Back(test::kProbeClass, 2, why), Status::kOk);
  }
  calling = false;
  while (callers.load() != 0) machine::Thread::Yield();
  EXPECT_EQ(failures.load(), 0u);
  EXPECT_EQ(called->Sum().ValueOr(0), calls.load());
  machine::Log("  {} calls", calls.load());
  EXPECT_EQ(cobj::Destroy(called), Status::kOk);
  EXPECT_EQ(Upgrader().Collect(), 0u);
}

GUEST_TEST(modules_refused) {
  const Result<Probe> probe = Factory().Create();
  REQUIRE(probe.ok());
  Sentence why;
  const auto refused = [&](Bytes bytes, const cobj::ModuleClaim& claim, Status status,
                           std::string_view words) {
    EXPECT_EQ(Upgrader().Load(bytes, claim, why), status);
    EXPECT(Says(why, words));
    // As it was: the version, the objects, no memory.
    EXPECT_EQ(Factory().version(), 1u);
    EXPECT_EQ(probe.value()->Version().ValueOr(0), 1u);
    const Pages pages = ModulePages();
    EXPECT_EQ(pages.code + pages.constants + pages.data, 0u);
  };
  {
    ModuleFile file;
    cobj::ModuleClaim claim = file.Claim();
    claim.digest.bytes[31] ^= 1;
    refused(file.bytes(), claim, Status::kCorrupt, "digest");
  }
  {
    ModuleFile file;
    file.record().build_id[0] ^= 1;
    refused(file.bytes(), file.Claim(), Status::kVersionMismatch, "build id");
  }
  {
    ModuleFile file;
    file.record().from_version = 2;
    refused(file.bytes(), file.Claim(), Status::kVersionMismatch, "from version 2");
    cobj::ModuleClaim claim = file.Claim();
    claim.from_version = 2;
    claim.to_version = 3;
    refused(file.bytes(), claim, Status::kVersionMismatch, "is at version 1");
    claim.from_version = 1;
    refused(file.bytes(), claim, Status::kVersionMismatch, "no step from 1 to 3");
  }
  {
    ModuleFile file;
    cobj::ModuleClaim claim = file.Claim();
    claim.class_name[0] = 'X';
    refused(file.bytes(), claim, Status::kNotFound, "no class Xrobe");
    std::memset(claim.class_name, 'Y', sizeof claim.class_name);
    refused(file.bytes(), claim, Status::kNotFound, "no class YYY");
    file.record().class_name[0] = 'X';
    refused(file.bytes(), file.Claim(), Status::kRefused, "class Xrobe");
  }
  {
    ModuleFile file;
    for (const std::size_t size : {std::size_t{0}, std::size_t{63}, file.bytes().size() / 2}) {
      const Bytes cut = file.bytes().first(size);
      cobj::ModuleClaim claim = file.Claim();
      const Sha256Digest digest = Sha256(cut);
      std::memcpy(claim.digest.bytes, digest.data(), digest.size());
      refused(cut, claim, Status::kCorrupt, "no module");
    }
  }
  {
    ModuleFile file;  // a self-test that fails: it looks for the word
    constexpr std::uint64_t kAsked = 0x7072'6f62'655f'6f6b;
    std::byte* word = file.Find(BytesOf(kAsked));
    REQUIRE(word != nullptr);
    word[0] ^= std::byte{1};
    refused(file.bytes(), file.Claim(), Status::kRefused, "self-test failed");
  }
  {
    ModuleFile file;
    constexpr std::string_view kImport = "_ZN3k424cobj4Root";
    std::byte* name = file.Find(AsBytes(kImport.data(), kImport.size()));
    REQUIRE(name != nullptr);
    name[2] = std::byte{'Q'};
    refused(file.bytes(), file.Claim(), Status::kNotFound, "exports no _ZQ");
  }
  EXPECT_EQ(cobj::Destroy(probe.value()), Status::kOk);
}

// Objects that cannot be brought over: the step is taken back, and says which it was.
GUEST_TEST(modules_that_cannot_take_over) {
  const Result<Probe> probe = Factory().Create();
  REQUIRE(probe.ok());
  EXPECT_EQ(probe.value()->Add(3).ValueOr(0), 3u);
  const ModuleFile file;
  Sentence why;
  Upgrader().SetPatience(100'000'000);
  test::probes_refuse = true;
  EXPECT_EQ(Upgrader().Load(file.bytes(), file.Claim(), why), Status::kTimedOut);
  EXPECT(Says(why, "1 of 1 objects of Probe could not become version 2 (object 0x"));
  EXPECT(Says(why, "kRefused); 0 not taken back"));
  test::probes_refuse = false;
  Upgrader().SetPatience(cobj::Upgrader::kPatienceNs);
  EXPECT_EQ(Factory().version(), 1u);
  EXPECT_EQ(Factory().Outdated(), 0u);
  EXPECT_EQ(probe.value()->Version().ValueOr(0), 1u);
  EXPECT_EQ(probe.value()->Add(1).ValueOr(0), 4u);
  EXPECT_EQ(Upgrader().Collect(), 0u);
  EXPECT_EQ(Upgrader().Load(file.bytes(), file.Claim(), why), Status::kOk);
  EXPECT_EQ(probe.value()->Add(1).ValueOr(0), 5u);
  EXPECT_EQ(Upgrader().Back(test::kProbeClass, 2, why), Status::kOk);
  EXPECT_EQ(probe.value()->Add(1).ValueOr(0), 6u);
  EXPECT_EQ(cobj::Destroy(probe.value()), Status::kOk);
  EXPECT_EQ(Upgrader().Collect(), 0u);
}

void Sleep(std::uint64_t ns) {
  machine::Timer timer;
  const std::uint64_t until = machine::MonotonicNs() + ns;
  timer.Arm(
      until, [](void* thread) { static_cast<machine::Thread*>(thread)->Unblock(); },
      machine::Thread::Current());
  while (machine::MonotonicNs() < until) machine::Thread::BlockExternal();
}

// The agent hears whatever a daemon gone mad says, and then serves an honest one; its answers go
// nowhere (this link is not started).
GUEST_TEST(modules_agent_hears_nonsense) {
  using abi::ControlKind;
  static constinit global::LinkPort port;
  static constinit global::LinkControl control(port);
  static constinit boot::UpgradeAgent agent;
  REQUIRE(IsOk(agent.Start(Upgrader(), control)));
  const Result<Probe> probe = Factory().Create();
  REQUIRE(probe.ok());
  std::byte noise[sizeof(abi::UpgradeStep) + 64];
  std::uint64_t seed = 42;
  for (std::uint64_t round = 0; round < 5000; ++round) {
    for (std::byte& byte : noise) {
      seed = seed * 6364136223846793005 + 1442695040888963407;
      byte = static_cast<std::byte>(seed >> 56);
    }
    const Bytes part(noise, (seed >> 32) % (sizeof noise + 1));
    agent.OnControl(ControlKind::kUpgradeStep, round, part);
    abi::UpgradeStep step{};
    std::memcpy(&step, noise, sizeof step);
    step.class_name[sizeof step.class_name - 1] = 0;
    step.size = static_cast<std::uint32_t>(seed % 5000) + 1;
    agent.OnControl(ControlKind::kUpgradeStep, round, BytesOf(step));
    agent.OnControl(ControlKind::kUpgradePiece, round, part);
    agent.OnControl(ControlKind::kUpgradePiece, round, {});
    agent.OnControl(ControlKind::kUpgradeQuery, round, part);
    if (round % 64 == 0)
      machine::Thread::Yield();
  }
  EXPECT_EQ(Factory().version(), 1u);
  // An honest one, piece by piece.
  const ModuleFile file;
  const cobj::ModuleClaim claim = file.Claim();
  abi::UpgradeStep step{};
  std::memcpy(step.digest, claim.digest.bytes, sizeof step.digest);
  std::memcpy(step.class_name, claim.class_name, sizeof step.class_name);
  step.from_version = 1;
  step.to_version = 2;
  step.size = static_cast<std::uint32_t>(file.bytes().size());
  const auto give = [&](std::uint64_t number) {
    agent.OnControl(ControlKind::kUpgradeStep, number, BytesOf(step));
    for (std::uint32_t at = 0; at < step.size; at += abi::kUpgradePieceSize) {
      std::byte piece[sizeof at + abi::kUpgradePieceSize];
      const std::uint32_t length = std::min(abi::kUpgradePieceSize, step.size - at);
      std::memcpy(piece, &at, sizeof at);
      std::memcpy(piece + sizeof at, file.bytes().data() + at, length);
      agent.OnControl(ControlKind::kUpgradePiece, number, {piece, sizeof at + length});
    }
  };
  // Asked again as a daemon would that was told `busy`.
  const auto becomes = [&](std::uint64_t version, auto ask) {
    for (std::uint64_t number = 7000; number < 7200; ++number) {
      ask(number);
      Sleep(100'000'000);
      if (probe.value()->Version().ValueOr(0) == version)
        return true;
    }
    return false;
  };
  EXPECT(becomes(2, give));
  step.size = 0;
  step.from_version = 2;
  step.to_version = 1;
  EXPECT(becomes(1, [&](std::uint64_t number) {
    agent.OnControl(ControlKind::kUpgradeStep, number, BytesOf(step));
  }));
  Sleep(200'000'000);  // its last words, and what it leaves behind
  EXPECT_EQ(cobj::Destroy(probe.value()), Status::kOk);
}

// The daemon's end of a link of the test's own: what the kernel has said, last first.
struct FarEnd {
  Status Start() {
    TRY(port.Start(arena, sizeof arena, 1, bell));
    const auto layout = TRY(abi::ComputeArenaLayout(sizeof arena, 1));
    submit = TRY(abi::SubmitConsumer::Adopt(
        *reinterpret_cast<abi::SubmitRingMemory*>(arena + layout.SubmitRingAt(0))));
    receive = TRY(abi::ReceiveProducer::Adopt(
        *reinterpret_cast<abi::ReceiveRingMemory*>(arena + layout.ReceiveRingAt(0))));
    operations = reinterpret_cast<abi::Operation*>(arena + layout.OperationAt(0));
    return Status::kOk;
  }
  // The next word of the kernel's; false: there is none.
  bool Take(abi::Frame* frame, std::int64_t* first) {
    const auto id = submit.Front();
    if (!id.ok())
      return false;
    submit.Drop();
    abi::Operation& operation = operations[abi::OperationSlot(id.value())];
    std::memcpy(frame, arena + operation.local_offset, sizeof *frame);
    std::memcpy(first, arena + operation.local_offset + sizeof *frame, sizeof *first);
    operation.outcome = abi::Outcome::kDone;
    operation.ended.store(id.value());
    abi::RecordHeader record{};
    record.kind = abi::RecordKind::kCompletion;
    record.value = id.value();
    (void)receive.Write(record);
    (void)port.Drain();
    return true;
  }

  struct NoBell final : global::LinkDoorbell {
    void Kick(machine::CpuId) override {}
  };
  alignas(abi::kArenaPage) static inline std::byte arena[abi::kArenaMinimum];
  static inline constinit global::LinkPort port;
  static inline constinit NoBell bell;
  abi::SubmitConsumer submit;
  abi::ReceiveProducer receive;
  abi::Operation* operations = nullptr;
};

// Each of the kernel's words is lost once (as if there had been no memory for it), the daemon asks,
// and hears it then; the step ends, as it did, however often it is asked about.
GUEST_TEST(modules_agent_says_again_what_was_lost) {
  using abi::ControlKind;
  static constinit FarEnd daemon;
  static constinit global::LinkControl control(FarEnd::port);
  static constinit boot::UpgradeAgent agent;
  REQUIRE(IsOk(daemon.Start()));
  REQUIRE(IsOk(agent.Start(Upgrader(), control)));
  const auto hears = [&](ControlKind kind, std::uint64_t number, std::int64_t word) {
    abi::Frame frame;
    std::int64_t first = 0;
    return daemon.Take(&frame, &first) && frame.method == static_cast<std::uint32_t>(kind) &&
           frame.sequence == number && first == word;
  };
  const auto ask = [&](std::uint64_t number) {
    agent.OnControl(ControlKind::kUpgradeQuery, number, {});
  };
  const auto want = [](std::uint32_t offset, std::uint32_t length) {
    return static_cast<std::int64_t>(std::uint64_t{length} << 32 | offset);
  };
  const auto ended = [](Status status) { return static_cast<std::int64_t>(status); };

  abi::UpgradeStep step{};
  std::memcpy(step.class_name, test::kProbeClass, sizeof test::kProbeClass);
  step.from_version = 1;
  step.to_version = 2;
  step.size = abi::kUpgradePieceSize + 100;
  agent.OnControl(ControlKind::kUpgradeStep, 70, BytesOf(step));
  std::byte piece[sizeof(std::uint32_t) + abi::kUpgradePieceSize] = {};
  for (int i = 0; i < 2; ++i) {
    EXPECT(hears(ControlKind::kUpgradeWant, 70, want(0, abi::kUpgradePieceSize)));
    ask(70);
  }
  EXPECT(hears(ControlKind::kUpgradeWant, 70, want(0, abi::kUpgradePieceSize)));
  // Asked for twice, so it comes twice.
  agent.OnControl(ControlKind::kUpgradePiece, 70, Bytes(piece, sizeof piece));
  agent.OnControl(ControlKind::kUpgradePiece, 70, Bytes(piece, sizeof piece));
  EXPECT(hears(ControlKind::kUpgradeWant, 70, want(abi::kUpgradePieceSize, 100)));
  const std::uint32_t at = abi::kUpgradePieceSize;
  std::memcpy(piece, &at, sizeof at);
  agent.OnControl(ControlKind::kUpgradePiece, 70, Bytes(piece, sizeof at + 100));
  ask(70);  // to be carried out: nothing is to say
  abi::Frame frame;
  std::int64_t first = 0;
  EXPECT(!daemon.Take(&frame, &first));
  Sleep(100'000'000);
  EXPECT(daemon.Take(&frame, &first));
  EXPECT_EQ(frame.method, static_cast<std::uint32_t>(ControlKind::kUpgradeState));
  EXPECT(hears(ControlKind::kUpgradeEnd, 70, ended(Status::kCorrupt)));
  for (int i = 0; i < 3; ++i) {
    ask(70);
    EXPECT(hears(ControlKind::kUpgradeEnd, 70, ended(Status::kCorrupt)));
  }
  ask(71);
  EXPECT(hears(ControlKind::kUpgradeEnd, 71, ended(Status::kNotFound)));
  ask(0);
  Sleep(100'000'000);
  EXPECT(daemon.Take(&frame, &first));
  EXPECT_EQ(frame.method, static_cast<std::uint32_t>(ControlKind::kUpgradeState));
  EXPECT_EQ(Factory().version(), 1u);
}

// What the test kernels of a cluster do while an upgrade is rolled over them: all CPUs call, and
// once a second the console says how it goes. Never ends.
GUEST_TEST(serve_probe) {
  const Result<Probe> made = Factory().Create();
  REQUIRE(made.ok());
  static constinit std::atomic<std::uint64_t> begun{0}, ended{0}, failed{0};
  called = made.value();
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    const auto serve = [](void*) {
      for (;;) {
        for (int burst = 0; burst < 500; ++burst) {
          begun.fetch_add(1);
          (called->Add(1).ok() ? ended : failed).fetch_add(1);
          machine::Thread::PreemptionPoint();
        }
        Sleep(2'000'000);
      }
    };
    REQUIRE(machine::Thread::Create("probe", serve, nullptr, cpu).ok());
  }
  for (;;) {
    Sleep(500'000'000);
    const std::uint64_t least = ended.load();
    const std::uint64_t sum = called->Sum().ValueOr(0);
    const std::uint64_t most = begun.load();
    const char* verdict = least <= sum && sum <= most && failed.load() == 0 ? "good" : "LOST";
    machine::Log("probe: version {}, calls {}, {}", called->Version().ValueOr(0), sum, verdict);
  }
}

}  // namespace
}  // namespace k42
