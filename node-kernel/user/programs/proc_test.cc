// Tests of processes as processes see them. Words: names of tests, none for all. Exit code: how
// many failed. `cycles=N` as first word: that many rounds in the leak test.
#include <cstring>

#include "user/programs/checks.h"
#include "user/programs/trace_tests.h"
#include "user/runtime/fork.h"
#include "user/runtime/serve.h"

namespace k42::runtime {

namespace {

using machine::Log;

std::uint64_t cycles = 200;

proc::MapRequest Anonymous(std::uint64_t size, std::uint32_t flags) {
  proc::MapRequest request = {};
  request.length = size;
  request.protection = proc::kMapRead | proc::kMapWrite;
  request.flags = flags;
  return request;
}

template <typename T>
T* Pointer(std::uint64_t address) {
  return reinterpret_cast<T*>(address);
}

// Tries until it is so. A busy machine may let another CPU stand still for long.
template <typename Condition>
bool Eventually(Condition condition) {
  constexpr int kTries = 500;
  for (int i = 0; i < kTries; ++i) {
    if (condition())
      return true;
  }
  return false;
}

void Memory() {
  const auto mapped = kProcess.Map(Anonymous(1 << 20, proc::kMapPrivate), 0);
  CHECK(mapped.ok());
  auto* bytes = Pointer<unsigned char>(mapped.value());
  CHECK(bytes[12345] == 0);
  std::memset(bytes, 0x5a, 1 << 20);
  CHECK(bytes[(1 << 20) - 1] == 0x5a);
  CHECK(kProcess.Unmap(mapped.value(), 1 << 20) == Status::kOk);
  // A call with a buffer that is not there fails; nobody dies.
  CHECK(kNode.Random(bytes, 64) == Status::kBadAddress);
  unsigned char random[64] = {};
  CHECK(kNode.Random(random, sizeof(random)) == Status::kOk);
}

void ForkWaits() {
  int value = 1;
  const auto child = Fork();
  CHECK(child.ok());
  if (child.ok() && child.value() == 0) {
    value = 2;
    Exit(static_cast<std::uint32_t>(40 + value));
  }
  const auto ended = WaitFor(child.value());
  CHECK(ended.ok() && ended.value().task == child.value());
  CHECK(ended.value().kind == proc::ExitKind::kExited && ended.value().code == 42);
  CHECK(value == 1);
  CHECK(WaitFor(child.value()).status() == Status::kNoChild);
}

void SpawnRuns() {
  constexpr char kWords[] = "proc_test\0child=7";
  const auto child = SpawnSelf(kWords, sizeof(kWords));
  CHECK(child.ok());
  const auto ended = WaitFor(child.value());
  CHECK(ended.ok() && ended.value().code == 7);
}

void KillEndsALoop() {
  const auto child = Fork();
  if (child.ok() && child.value() == 0) {
    for (;;) {
    }
  }
  Sleep(2'000'000);
  CHECK(Signal(child.value(), abi::kSignalKill).ok());
  const auto ended = WaitFor(child.value());
  CHECK(ended.ok() && ended.value().kind == proc::ExitKind::kKilled &&
        ended.value().code == abi::kSignalKill);
  CHECK(Signal(child.value(), 0).status() == Status::kNoProcess);
}

void StopAndContinue() {
  const auto shared = kProcess.Map(Anonymous(4096, proc::kMapShared), 0);
  auto* counter = Pointer<volatile std::uint64_t>(shared.value());
  const auto child = Fork();
  if (child.ok() && child.value() == 0) {
    for (;;) *counter = *counter + 1;
  }
  Sleep(2'000'000);
  CHECK(Signal(child.value(), abi::kSignalStop).ok());
  const auto stopped = WaitFor(child.value(), proc::kWaitStopped);
  CHECK(stopped.ok() && stopped.value().kind == proc::ExitKind::kStopped);
  // It stops on its own CPU, which on a busy machine may be a while from now.
  std::uint64_t before = 0;
  CHECK(Eventually([&] {
    before = *counter;
    Sleep(5'000'000);
    return *counter == before;
  }));
  CHECK(Signal(child.value(), abi::kSignalContinue).ok());
  const auto continued = WaitFor(child.value(), proc::kWaitContinued);
  CHECK(continued.ok() && continued.value().kind == proc::ExitKind::kContinued);
  CHECK(Eventually([&] {
    Sleep(1'000'000);
    return *counter != before;
  }));
  CHECK(Signal(child.value(), abi::kSignalKill).ok());
  CHECK(WaitFor(child.value()).ok());
  CHECK(kProcess.Unmap(shared.value(), 4096) == Status::kOk);
}

void Signals() {
  const std::uint32_t self = Start().task;
  proc::SignalInfo info = {};
  while (kProcess.TakeSignal(0, ~0ull, &info) == Status::kOk)
    CHECK(info.signal == abi::kSignalChild);  // of children that earlier tests stopped
  CHECK(Signal(self, abi::kSignalTerminate).ok());
  CHECK(Signal(self, abi::kSignalHangup).ok());
  CHECK(Signal(self, 40).ok() && Signal(self, 40).ok());
  CHECK(machine::DispatcherPage()->signals_pending.load() != 0);
  CHECK(kProcess.TakeSignal(0, ~0ull, &info) == Status::kOk && info.signal == abi::kSignalHangup);
  CHECK(info.sender == self);
  CHECK(kProcess.TakeSignal(0, ~0ull, &info) == Status::kOk &&
        info.signal == abi::kSignalTerminate);
  CHECK(kProcess.TakeSignal(0, ~0ull, &info) == Status::kOk && info.signal == 40);
  CHECK(kProcess.TakeSignal(0, ~0ull, &info) == Status::kOk && info.signal == 40);
  CHECK(kProcess.TakeSignal(0, ~0ull, &info) == Status::kNotFound);
  CHECK(machine::DispatcherPage()->signals_pending.load() == 0);
}

void GroupsAndCredentials() {
  const auto child = Fork();
  if (child.ok() && child.value() == 0) {
    std::uint32_t bad = 0;
    bad += kProcess.NewSession().ok() ? 0 : 1;
    proc::Credential who = {};
    bad += kProcess.GetCredential(0, &who) == Status::kOk ? 0 : 1;
    who.user = who.effective_user = who.saved_user = who.file_user = 1000;
    bad += kProcess.SetCredential(0, 0, who) == Status::kOk ? 0 : 1;
    who.user = 0;
    bad += kProcess.SetCredential(0, 0, who) == Status::kPermissionDenied ? 0 : 1;
    bad += Signal(1, abi::kSignalTerminate).status() == Status::kPermissionDenied ? 0 : 1;
    bad += kNode.PowerOff(0) == Status::kPermissionDenied ? 0 : 1;
    // Others' environments are theirs, their names everybody's.
    char text[64];
    const auto read = [&](std::uint32_t task, proc::TaskText what) {
      return kProcess.GetText(task, what, text, sizeof(text)).status();
    };
    bad += read(1, proc::TaskText::kEnvironment) == Status::kPermissionDenied ? 0 : 1;
    bad += read(1, proc::TaskText::kName) == Status::kOk ? 0 : 1;
    bad += read(0, proc::TaskText::kEnvironment) == Status::kOk ? 0 : 1;
    Exit(bad);
  }
  const auto ended = WaitFor(child.value());
  CHECK(ended.ok() && ended.value().kind == proc::ExitKind::kExited && ended.value().code == 0);
}

// A child waits for a word and is woken. False: it came so late that it had nothing to wait for.
bool WakeAWaiter(std::uint64_t address) {
  constexpr std::uint32_t kCameLate = 10;
  auto* word = Pointer<volatile std::uint32_t>(address);
  *word = 0;
  const auto child = Fork();
  if (child.ok() && child.value() == 0) {
    const Status waited = kProcess.WaitWord(address, 0, ~0u, kTicket);
    if (waited == Status::kWouldBlock)
      Exit(*word == 1 ? kCameLate : 3);
    if (waited != Status::kPending)
      Exit(1);
    if (WaitForTicket(kTicket).status != Status::kOk)
      Exit(2);
    Exit(*word == 1 ? 0 : 3);
  }
  Sleep(3'000'000);
  *word = 1;
  const auto woken = kProcess.WakeWord(address, 1, ~0u);
  const auto ended = WaitFor(child.value());
  CHECK(woken.ok() && ended.ok());
  CHECK(ended.value().code == (woken.ValueOr(0) == 1 ? 0 : kCameLate));
  return woken.ValueOr(0) == 1;
}

void SharedWords() {
  const auto shared = kProcess.Map(Anonymous(4096, proc::kMapShared), 0);
  CHECK(Eventually([&] { return WakeAWaiter(shared.value()); }));
  CHECK(kProcess.WaitWord(shared.value(), 0, ~0u, kTicket) == Status::kWouldBlock);
  CHECK(kProcess.Unmap(shared.value(), 4096) == Status::kOk);
}

void TicketsEndOnce() {
  CHECK(machine::CancelTicket(9) == Status::kAlreadyCompleted);
  const auto shared = kProcess.Map(Anonymous(4096, proc::kMapShared), 0);
  CHECK(kProcess.WaitWord(shared.value(), 0, ~0u, 9) == Status::kPending);
  CHECK(machine::CancelTicket(9) == Status::kOk);
  CHECK(kProcess.WakeWord(shared.value(), 8, ~0u).ValueOr(9) == 0);
  CHECK(kProcess.WaitWord(shared.value(), 0, ~0u, 9) == Status::kPending);
  CHECK(kProcess.WakeWord(shared.value(), 8, ~0u).ValueOr(9) == 1);
  CHECK(machine::CancelTicket(9) == Status::kAlreadyCompleted);
  CHECK(WaitForTicket(9).status == Status::kOk);
  CHECK(kProcess.Unmap(shared.value(), 4096) == Status::kOk);
}

void Handles() {
  const auto copy = kProcess.DuplicateHandle(abi::kNodeHandle, ~0u);
  CHECK(copy.ok() && copy.value() != abi::kNodeHandle);
  CHECK(proc::NodeStub(copy.value()).MonotonicTime().ok());
  CHECK(kProcess.CompareHandles(copy.value(), abi::kNodeHandle).ValueOr(5) == 0);
  CHECK(kProcess.CloseHandle(copy.value()) == Status::kOk);
  CHECK(proc::NodeStub(copy.value()).MonotonicTime().status() == Status::kBadHandle);
  CHECK(kProcess.CloseHandle(abi::kProcessHandle) == Status::kBadHandle);
  // A process is nobody else's: a copy would outlive it.
  CHECK(kProcess.DuplicateHandle(abi::kProcessHandle, ~0u).status() == Status::kPermissionDenied);
  CHECK(Publish("self", abi::kProcessHandle) == Status::kPermissionDenied);
  // A Process is no memory object; a method number may be beyond the interface.
  CHECK(kProcess.Map(Anonymous(4096, proc::kMapShared), abi::kProcessHandle).status() ==
        Status::kBadHandle);
  CHECK(machine::NativeCall(abi::NativeNumber(abi::kNodeHandle, 200)).status == Status::kNoMethod);
}

void TrapsEndPrograms() {
  const auto child = Fork();
  if (child.ok() && child.value() == 0)
    asm volatile("movl $1, 8");  // nothing is mapped there
  const auto ended = WaitFor(child.value());
  CHECK(ended.ok() && ended.value().kind == proc::ExitKind::kKilled && ended.value().code == 11);
}

void TasksInOneProcess() {
  const auto task = kProcess.NewTask(0);
  CHECK(task.ok());
  CHECK(machine::SetTask(task.value()) == Status::kOk);
  proc::TaskInfo info = {};
  CHECK(kProcess.GetTask(0, &info) == Status::kOk && info.task == task.value() &&
        info.parent == Start().task && info.process == Start().task);
  CHECK(machine::SetTask(Start().task) == Status::kOk);
  CHECK(machine::SetTask(99'999) == Status::kNoProcess);
  CHECK(kProcess.Exit(task.value(), proc::ExitKind::kExited, 5) == Status::kOk);
  const auto ended = WaitFor(task.value());
  CHECK(ended.ok() && ended.value().code == 5);
  const auto thread = kProcess.NewThread(0);
  CHECK(thread.ok() && kProcess.EndThread(thread.value()) == Status::kOk);
}

// What a process was told of its share goes for those it makes, too.
void SharesAreInherited() {
  proc::Schedule before = {}, ours = {};
  CHECK(kProcess.GetSchedule(0, &before) == Status::kOk);
  ours = before;
  ours.weight = 256;
  ours.nice = 3;
  ours.band += 1;
  ours.quantum_ns /= 2;
  const auto child = Fork();
  if (child.ok() && child.value() == 0) {
    CHECK(kProcess.SetSchedule(0, ours) == Status::kOk);
    const auto forked = Fork();
    if (forked.ok() && forked.value() == 0) {
      Sleep(10'000 * kMs);
      Exit(0);
    }
    static constexpr char kWords[] = "proc_test\0sleep";
    const auto spawned = SpawnSelf(kWords, sizeof kWords);
    for (const auto& made : {forked, spawned}) {
      proc::Schedule theirs = {};
      CHECK(made.ok() && kProcess.GetSchedule(made.value(), &theirs) == Status::kOk);
      CHECK(theirs.weight == 256 && theirs.nice == 3 && theirs.band == ours.band &&
            theirs.quantum_ns == ours.quantum_ns);
      KillAndWait(made.ValueOr(0));
    }
    Exit(failures);
  }
  const auto ended = WaitFor(child.value());
  CHECK(ended.ok() && ended.value().kind == proc::ExitKind::kExited && ended.value().code == 0);
}

void TwoShareACpu() {
  const auto shared = kProcess.Map(Anonymous(4096, proc::kMapShared), 0);
  auto* counters = Pointer<volatile std::uint64_t>(shared.value());
  std::uint32_t children[2] = {};
  for (int i = 0; i < 2; ++i) {
    const auto child = Fork();
    if (child.ok() && child.value() == 0) {
      for (;;) counters[i * 8] = counters[i * 8] + 1;
    }
    children[i] = child.value();
  }
  Sleep(100'000'000);
  for (const std::uint32_t child : children) {
    CHECK(Signal(child, abi::kSignalKill).ok());
    CHECK(WaitFor(child).ok());
  }
  CHECK(counters[0] != 0 && counters[8] != 0);
  CHECK(kProcess.Unmap(shared.value(), 4096) == Status::kOk);
}

std::uint64_t FreeMemory() {
  proc::NodeInfo info = {};
  (void)kNode.GetInfo(&info);
  return info.memory_free;
}

// What ends gives everything back: free memory does not sink with the number of processes.
void NothingLeaks() {
  constexpr char kWords[] = "proc_test\0child=0";
  const auto round = [&](std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto child = i % 2 == 0 ? SpawnSelf(kWords, sizeof(kWords)) : Fork();
      if (child.ok() && child.value() == 0)
        Exit(0);
      const Status status = child.ok() ? WaitFor(child.value()).status() : child.status();
      if (status != Status::kOk) {
        Log("  process {} of {}: {}", i, count, StatusName(status));
        ++failures;
        return;
      }
    }
    Sleep(20'000'000);  // grace periods
  };
  // The kernel's table of process numbers grows until each of them was used once. Long runs begin
  // after that, and may lose nothing however long they are.
  constexpr std::uint64_t kNumbers = 1 << 15, kNumberBytes = 32;
  const bool all_used = cycles > 2 * kNumbers;
  round(all_used ? kNumbers : 64);
  const std::uint64_t before = FreeMemory();
  round(cycles);
  const std::uint64_t after = FreeMemory();
  const std::uint64_t lost = before > after ? before - after : 0;
  Log("  {} processes, {} KiB less free", cycles, lost >> 10);
  CHECK(lost < (256 << 10) + (all_used ? 0 : cycles * kNumberBytes));
}

constexpr Test kTests[] = {
    {"memory", Memory},           {"fork", ForkWaits},
    {"spawn", SpawnRuns},         {"trace", TraceBuffers},
    {"scribble", TraceScribble},  {"no_trace", TraceRefused},
    {"kill", KillEndsALoop},      {"stop", StopAndContinue},
    {"signals", Signals},         {"credentials", GroupsAndCredentials},
    {"words", SharedWords},       {"tickets", TicketsEndOnce},
    {"handles", Handles},         {"traps", TrapsEndPrograms},
    {"tasks", TasksInOneProcess}, {"share", TwoShareACpu},
    {"leaks", NothingLeaks},      {"shares", SharesAreInherited},
};

std::uint64_t Number(std::string_view digits) {
  std::uint64_t number = 0;
  for (const char digit : digits) number = number * 10 + static_cast<std::uint64_t>(digit - '0');
  return number;
}

}  // namespace

int Main(std::span<const std::string_view> words) {
  constexpr std::string_view kChild = "child=", kCycles = "cycles=";
  bool all = true;
  for (const std::string_view word : words.subspan(1)) {
    if (word.starts_with(kChild))
      return static_cast<int>(Number(word.substr(kChild.size())));
    if (word == "sleep") {
      Sleep(10'000 * kMs);
      return 0;
    }
    if (word.starts_with(kCycles))
      cycles = Number(word.substr(kCycles.size()));
    else
      all = false;
  }
  return RunTests("proc", kTests, all, words.subspan(1));
}

}  // namespace k42::runtime
