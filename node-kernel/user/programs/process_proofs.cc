// What processes and their scheduling promise, shown: shares by weight, bands, how long a spinner
// keeps others waiting, limits, long chains of forks, states that nobody should resume, kills.
//
// Words: names of tests, none for all; `long` as first word: the sizes of the long form. Exit code:
// how many failed. Figures of time mean something on one CPU that counts instructions (--icount).
#include <atomic>
#include <cstring>

#include "user/programs/checks.h"
#include "user/runtime/fork.h"

namespace k42::runtime {

namespace {

using machine::Log;

constexpr std::uint32_t kSegmentation = 11;            // ends a program whose trap nobody takes
constexpr std::uint32_t kNormal = 1, kBackground = 2;  // sched::Band

bool long_form = false;

std::uint64_t FreeMemory() {
  proc::NodeInfo info = {};
  (void)kNode.GetInfo(&info);
  return info.memory_free;
}

// Memory that children share.
template <typename T>
class Shared {
 public:
  Shared() {
    proc::MapRequest request = {};
    request.length = sizeof(T);
    request.protection = proc::kMapRead | proc::kMapWrite;
    request.flags = proc::kMapShared;
    address_ = kProcess.Map(request, 0).ValueOr(0);
    if (address_ == 0)
      Exit(99);
  }
  ~Shared() { (void)kProcess.Unmap(address_, sizeof(T)); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  T* operator->() { return reinterpret_cast<T*>(address_); }
  std::uint64_t address() const { return address_; }

 private:
  std::uint64_t address_ = 0;
};

// A child that does `body`, and ends with 0 if that returns.
template <typename F>
std::uint32_t Child(F body) {
  const auto child = Fork();
  if (child.ok() && child.value() == 0) {
    body();
    Exit(0);
  }
  CHECK(child.ok());
  return child.ValueOr(0);
}

void SetOwnSchedule(std::uint32_t band, std::uint32_t weight) {
  proc::Schedule schedule = {};
  schedule.cpus = 1;
  schedule.band = band;
  schedule.weight = weight;
  if (kProcess.SetSchedule(0, schedule) != Status::kOk)
    Exit(98);
}

struct Counters {
  struct alignas(64) One {
    std::atomic<std::uint64_t> count;
  } of[4];
};

void CountIn(std::atomic<std::uint64_t>& counter) {
  for (;;) counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

// -- shares ---------------------------------------------------------------------------------------

void Weights() {
  constexpr std::uint32_t kWeights[] = {1024, 2048, 4096};
  Shared<Counters> counters;
  std::uint32_t children[3];
  for (int i = 0; i < 3; ++i) {
    children[i] = Child([&] {
      SetOwnSchedule(kNormal, kWeights[i]);
      CountIn(counters->of[i].count);
    });
  }
  Sleep(200 * kMs);  // all have their weights
  std::uint64_t before[3], got[3], sum = 0;
  for (int i = 0; i < 3; ++i) before[i] = counters->of[i].count.load();
  Sleep((long_form ? 5000 : 1000) * kMs);
  for (int i = 0; i < 3; ++i) sum += got[i] = counters->of[i].count.load() - before[i];
  for (const std::uint32_t child : children) KillAndWait(child);
  for (int i = 0; i < 3; ++i) {
    // Parts of 10000 of the CPU. Over one second a slice more or less is 1 %, over five 0.2 %.
    const std::uint64_t part = got[i] * 10000 / (sum == 0 ? 1 : sum);
    const std::uint64_t due = 10000u * kWeights[i] / (1024 + 2048 + 4096);
    const std::uint64_t off = part > due ? part - due : due - part;
    Log("  weight {}: {} of 10000, due {}", kWeights[i], part, due);
    CHECK(off <= (long_form ? due / 50 : due / 50 + 100));
  }
}

void Background() {
  Shared<Counters> counters;
  const std::uint32_t behind = Child([&] {
    SetOwnSchedule(kBackground, 0);
    CountIn(counters->of[0].count);
  });
  Sleep(50 * kMs);
  CHECK(counters->of[0].count.load() != 0);  // alone, it runs
  const std::uint32_t before = Child([&] {
    SetOwnSchedule(kNormal, 0);
    CountIn(counters->of[1].count);
  });
  while (counters->of[1].count.load() == 0) Sleep(1 * kMs);
  const std::uint64_t then = counters->of[0].count.load();
  Sleep(300 * kMs);
  CHECK(counters->of[0].count.load() == then);
  KillAndWait(before);
  Sleep(50 * kMs);
  CHECK(counters->of[0].count.load() != then);  // and again
  KillAndWait(behind);
}

// A program that mostly waits gets the CPU back within a slice of whoever spins.
void Latency() {
  constexpr std::uint64_t kSlice = 10 * kMs, kGrace = 300'000, kPath = 200'000;
  Shared<Counters> counters;
  SetOwnSchedule(kNormal, 0);
  const std::uint32_t spinner = Child([&] {
    SetOwnSchedule(kNormal, 0);
    CountIn(counters->of[0].count);
  });
  Sleep(20 * kMs);
  std::uint64_t worst = 0, sum = 0;
  constexpr int kRounds = 100;
  for (int i = 0; i < kRounds; ++i) {
    const std::uint64_t due = Now() + 3 * kMs;
    Sleep(3 * kMs);
    const std::uint64_t late = Now() - due;
    worst = late > worst ? late : worst;
    sum += late;
  }
  KillAndWait(spinner);
  Log("  late by {} us at most, {} us in the mean", worst / 1000, sum / kRounds / 1000);
  CHECK(worst <= kSlice + kGrace + kPath);
  CHECK(counters->of[0].count.load() != 0);
}

// -- many -----------------------------------------------------------------------------------------

struct Chain {
  std::atomic<std::uint32_t> done;
  std::atomic<std::uint64_t> least_free;
};

// Each generation writes a page of its own and one it has inherited, makes the next, and ends.
void ForkChain() {
  const std::uint32_t generations = long_form ? 10'000 : 1'000;
  static volatile unsigned char inherited[8 * 4096];
  Shared<Chain> chain;
  CHECK(kProcess.SetOption(0, proc::TaskOption::kReapChildren, 1) == Status::kOk);
  Sleep(20 * kMs);
  const std::uint64_t before = FreeMemory();
  chain->least_free.store(before);
  const std::uint32_t first = Child([&] {
    for (std::uint32_t i = 1; i < generations; ++i) {
      const std::uint32_t last = i - 1;
      if (last != 0 && inherited[last % 8 * 4096] != static_cast<unsigned char>(last)) {
        chain->done.store(~0u);
        Exit(2);
      }
      inherited[i % 8 * 4096] = static_cast<unsigned char>(i);
      if (i % 64 == 0) {
        const std::uint64_t now = FreeMemory();
        if (now < chain->least_free.load())
          chain->least_free.store(now);
        Sleep(5 * kMs);  // the ancestors are given back
      }
      const auto next = Fork();
      if (!next.ok()) {
        chain->done.store(~0u);
        Exit(1);
      }
      if (next.value() != 0)
        Exit(0);
    }
    chain->done.store(generations);
  });
  CHECK(first != 0);
  while (chain->done.load() == 0) Sleep(5 * kMs);
  Sleep(50 * kMs);
  CHECK(chain->done.load() == generations);
  const std::uint64_t after = FreeMemory();
  const std::uint64_t most =
      before > chain->least_free.load() ? before - chain->least_free.load() : 0;
  const std::uint64_t lost = before > after ? before - after : 0;
  Log("  {} generations: {} KiB at most, {} KiB left behind", generations, most >> 10, lost >> 10);
  CHECK(most < 16u << 20);
  CHECK(lost < 1u << 20);
  CHECK(kProcess.SetOption(0, proc::TaskOption::kReapChildren, 0) == Status::kOk);
}

// A user's processes fork as fast as they can, up to their limit. Others go on.
void ForkBomb() {
  constexpr std::uint32_t kMost = 40, kUser = 4242;
  Shared<Counters> counters;
  const std::uint32_t bomb = Child([&] {
    if (kProcess.SetGroup(0, 0) != Status::kOk)
      Exit(1);
    const proc::Limit limit = {kMost, kMost};
    if (kProcess.SetLimit(0, proc::LimitKind::kTasks, limit) != Status::kOk)
      Exit(2);
    proc::Credential who = {};
    (void)kProcess.GetCredential(0, &who);
    who.user = who.effective_user = who.saved_user = who.file_user = kUser;
    if (kProcess.SetCredential(0, 0, who) != Status::kOk)
      Exit(3);
    for (;;) {
      const auto next = Fork();
      if (next.status() == Status::kLimitExceeded)
        counters->of[0].count.fetch_add(1);
      else if (next.ok() && next.value() == 0)
        counters->of[1].count.fetch_add(1);
    }
  });
  while (counters->of[0].count.load() < 100) Sleep(1 * kMs);
  CHECK(counters->of[1].count.load() < kMost);
  // The others: a process is made and ends, memory can be had.
  for (int i = 0; i < 5; ++i) {
    const std::uint32_t child = Child([] {});
    const auto ended = WaitFor(child);
    CHECK(ended.ok() && ended.value().kind == proc::ExitKind::kExited);
  }
  Log("  {} processes, {} refusals", counters->of[1].count.load() + 1,
      counters->of[0].count.load());
  CHECK(Signal(bomb, abi::kSignalKill, proc::Selector::kGroup).ok());
  // Those that were being made meanwhile, too; what is left of them comes to us.
  for (;;) {
    (void)Signal(bomb, abi::kSignalKill, proc::Selector::kGroup);
    proc::WaitRequest request = {};
    request.selector = proc::Selector::kAll;
    request.flags = proc::kWaitExited;
    proc::WaitResult found = {};
    const Status status = kProcess.Wait(request, &found, abi::kNoTicket);
    if (status == Status::kWouldBlock)
      Sleep(1 * kMs);
    else if (status != Status::kOk)
      break;
  }
}

// -- states ---------------------------------------------------------------------------------------

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 2 + 1) {}
  std::uint64_t Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }

 private:
  std::uint64_t state_;
};

Status Resume(const abi::UserState& state) {
  return machine::CallDispatcher(abi::DispatcherCall::kResume,
                                 reinterpret_cast<std::uint64_t>(&state))
      .status;
}

constexpr std::uint64_t kBadAddresses[] = {
    0x0000'8000'0000'0000, 0xffff'8000'0000'0000, 0xffff'ffff'ffff'ffff, 0x8000'0000'0000'0000,
    0x0000'7fff'ffff'f000, 0xffff'ffff'8010'0000, 0x1234'5678'9abc'def0,
};

void BadAddresses() {
  for (const std::uint64_t bad : kBadAddresses) {
    abi::UserState state = {};
    state.rflags = 0x202;
    state.rsp = reinterpret_cast<std::uint64_t>(&state);
    state.rip = bad;
    if (Resume(state) != Status::kBadAddress)
      Exit(1);
    state.rip = reinterpret_cast<std::uint64_t>(&BadAddresses);
    state.fs_base = bad;
    if (Resume(state) != Status::kBadAddress)
      Exit(2);
    if (machine::CallDispatcher(abi::DispatcherCall::kSetFsBase, bad).status != Status::kBadAddress)
      Exit(3);
    if (machine::CallDispatcher(abi::DispatcherCall::kResume, bad).status == Status::kOk)
      Exit(4);
    abi::DispatcherEntries entries = {};
    entries.run_entry = entries.trap_entry = entries.syscall_entry = bad;
    if (machine::SetEntries(entries) == Status::kOk)
      Exit(5);
  }
}

// Where a state with every flag set goes on: what it really got.
[[noreturn]] void LandWithFlags() {
  std::uint64_t flags;
  asm volatile("pushfq; popq %0" : "=r"(flags));
  constexpr std::uint64_t kIoPrivilege = 0x3000, kNested = 0x4000, kVirtual86 = 0x20000,
                          kVirtualInterrupts = 0x180000, kInterrupts = 0x200;
  const std::uint64_t bad = kIoPrivilege | kNested | kVirtual86 | kVirtualInterrupts;
  Exit((flags & bad) == 0 && (flags & kInterrupts) != 0 ? 0 : 1);
}

std::uint32_t ExitOf(std::uint32_t child) {
  const auto ended = WaitFor(child);
  return ended.ok() && ended.value().kind == proc::ExitKind::kExited ? ended.value().code : 1000u;
}

void BadStates() {
  CHECK(ExitOf(Child(BadAddresses)) == 0);
  // Flags: refused, or masked.
  for (int bit = 0; bit < 64; ++bit) {
    constexpr int kTrap = 8;  // single step ends the program: its own doing
    if (bit == kTrap)
      continue;
    const std::uint32_t child = Child([bit] {
      static unsigned char stack[4096];
      abi::UserState state = {};
      state.rip = reinterpret_cast<std::uint64_t>(&LandWithFlags);
      state.rsp = (reinterpret_cast<std::uint64_t>(stack + sizeof(stack)) & ~15ull) - 8;
      state.rflags = 0x202 | std::uint64_t{1} << bit;
      (void)Resume(state);
      Exit(0);  // refused
    });
    CHECK(ExitOf(child) == 0);
  }
  // Random states, in children that end as they like.
  const int rounds = long_form ? 2000 : 200;
  std::uint32_t trapped = 0, refused = 0;
  for (int i = 0; i < rounds; ++i) {
    const std::uint32_t child = Child([i] {
      Random random(static_cast<std::uint64_t>(i) + 1);
      abi::UserState state;
      auto* words = reinterpret_cast<std::uint64_t*>(&state);
      for (std::size_t k = 0; k < sizeof(state) / 8; ++k)
        words[k] = random.Next() >> random.Next() % 64;
      state.rflags &= ~0x100ull;
      (void)Resume(state);
      Exit(77);
    });
    const auto ended = WaitFor(child);
    CHECK(ended.ok());
    refused += ended.ok() && ended.value().kind == proc::ExitKind::kExited ? 1 : 0;
    trapped += ended.ok() && ended.value().kind == proc::ExitKind::kKilled ? 1 : 0;
  }
  Log("  {} random states: {} refused, {} ended by a trap", rounds, refused, trapped);
  CHECK(refused + trapped == static_cast<std::uint32_t>(rounds) && refused != 0);
}

// A child's vector state, given as bytes: refused or made harmless, whatever it is.
void BadVectorStates() {
  alignas(64) static unsigned char image[abi::kVectorStateSize];
  alignas(16) static unsigned char stack[4096];
  const int rounds = long_form ? 2000 : 200;
  std::uint32_t refused = 0, ran = 0;
  for (int i = 0; i < rounds; ++i) {
    Random random(static_cast<std::uint64_t>(i) + 7);
    std::memset(image, 0, sizeof(image));
    // Half of them in the header and the control words, where it matters.
    const bool header = i % 2 == 0;
    for (int k = 0; k < 64; ++k)
      image[header ? 512 + k : static_cast<int>(random.Next() % sizeof(image))] =
          static_cast<unsigned char>(random.Next());
    image[24 + i % 4] = static_cast<unsigned char>(random.Next());  // MXCSR
    abi::UserState state = {};
    state.rip = reinterpret_cast<std::uint64_t>(&LandWithFlags);
    state.rsp = reinterpret_cast<std::uint64_t>(stack + sizeof(stack)) - 8;
    state.rflags = 0x202;
    proc::ForkRequest request = {};
    request.state = reinterpret_cast<std::uint64_t>(&state);
    request.vector_state = reinterpret_cast<std::uint64_t>(image);
    const auto child = kProcess.ForkCopy(request);
    if (!child.ok()) {
      ++refused;
      continue;
    }
    CHECK(ExitOf(child.value()) == 0);
    ++ran;
  }
  for (const std::uint64_t bad : kBadAddresses) {
    abi::UserState state = {};
    proc::ForkRequest request = {};
    request.state = bad;
    CHECK(!kProcess.ForkCopy(request).ok());
    request.state = reinterpret_cast<std::uint64_t>(&state);
    state.rip = state.rsp = bad;
    CHECK(!kProcess.ForkCopy(request).ok());
    request.vector_state = bad;
    CHECK(!kProcess.ForkCopy(request).ok());
  }
  Log("  {} vector states: {} refused, {} ran", rounds, refused, ran);
  CHECK(ran != 0 && ran + refused == static_cast<std::uint32_t>(rounds));
}

// -- kill -----------------------------------------------------------------------------------------

// Whatever it is doing. (A thread in the middle of a fault: tests/guest/slow_page.py.)
void KillAlways() {
  Shared<Counters> shared;
  const auto ready = [&] { shared->of[3].count.fetch_add(1); };
  const auto kill_once = [&](auto body) {
    const std::uint64_t before = shared->of[3].count.load();
    const std::uint32_t child = Child([&] {
      ready();
      body();
    });
    while (shared->of[3].count.load() == before) Sleep(1 * kMs);
    Sleep(2 * kMs);
    KillAndWait(child);
  };
  kill_once(
      [&] { CountIn(shared->of[0].count); });       // spinning, disabled as all native programs are
  kill_once([] { (void)WaitForTicket(kTicket); });  // blocked for ever
  kill_once([] { Sleep(1'000'000 * kMs); });
  kill_once([&] {  // waiting for a word that nobody changes
    (void)kProcess.WaitWord(shared.address(), 0, ~0u, kTicket);
    (void)WaitForTicket(kTicket);
  });
  kill_once([] {  // in and out of the kernel
    for (;;) (void)kProcess.GetNumber(0, proc::TaskNumber::kOwn);
  });
  kill_once([] {  // in faults
    for (;;) {
      proc::MapRequest request = {};
      request.length = 256 * 4096;
      request.protection = proc::kMapRead | proc::kMapWrite;
      request.flags = proc::kMapPrivate;
      const std::uint64_t at = kProcess.Map(request, 0).ValueOr(0);
      for (std::uint64_t page = 0; page < 256; ++page)
        *reinterpret_cast<volatile char*>(at + page * 4096) = 1;
      (void)kProcess.Unmap(at, 256 * 4096);
    }
  });
  kill_once([] {  // making and burying children
    for (;;) {
      const auto child = Fork();
      if (child.ok() && child.value() == 0)
        Exit(0);
      if (child.ok())
        (void)WaitFor(child.value());
    }
  });
  kill_once([] {  // with all events off and no entries: asks for upcalls to nowhere
    abi::DispatcherEntries entries = {};
    entries.run_entry = entries.trap_entry = entries.syscall_entry = entries.leave_begin =
        entries.leave_end = abi::kPersonalityBase - 4096;
    (void)machine::SetEntries(entries);
    for (;;) {
    }
  });
}

// Memory runs out: whoever asked has the trouble, and gives everything back.
void Exhaustion() {
  const std::uint64_t before = FreeMemory();
  const std::uint32_t child = Child([] {
    proc::MapRequest request = {};
    request.length = 1ull << 36;
    request.protection = proc::kMapRead | proc::kMapWrite;
    request.flags = proc::kMapPrivate | proc::kMapNoReserve;
    const std::uint64_t at = kProcess.Map(request, 0).ValueOr(0);
    if (at == 0)
      Exit(1);
    for (std::uint64_t page = 0; page < request.length; page += 4096)
      *reinterpret_cast<volatile char*>(at + page) = 1;
  });
  const auto ended = WaitFor(child);
  CHECK(ended.ok() && ended.value().kind == proc::ExitKind::kKilled &&
        ended.value().code == kSegmentation);
  Sleep(50 * kMs);
  const std::uint64_t after = FreeMemory();
  CHECK(after + (2u << 20) > before);
  CHECK(ExitOf(Child([] {})) == 0);
}

constexpr Test kTests[] = {
    {"weights", Weights},
    {"background", Background},
    {"latency", Latency},
    {"fork_chain", ForkChain},
    {"fork_bomb", ForkBomb},
    {"bad_states", BadStates},
    {"bad_vector_states", BadVectorStates},
    {"kill", KillAlways},
    {"exhaustion", Exhaustion},
};

}  // namespace

int Main(std::span<const std::string_view> words) {
  bool all = true;
  for (const std::string_view word : words.subspan(1)) {
    if (word == "long")
      long_form = true;
    else
      all = false;
  }
  return RunTests("proof", kTests, all, words.subspan(1));
}

}  // namespace k42::runtime
