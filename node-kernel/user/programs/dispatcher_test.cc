// Tests of processes with several dispatchers. Words: names of tests, none for all. Exit code: how
// many checks failed.
#include <cstring>

#include "abi/readiness.h"
#include "fs/open_file.stub.h"
#include "io/io_factory.stub.h"
#include "user/programs/checks.h"
#include "user/runtime/dispatchers.h"
#include "user/runtime/fork.h"

namespace k42::runtime {

namespace {

using machine::Log;

constexpr io::IoFactoryStub kIo{abi::kIoHandle};
constexpr std::uint32_t kEvents = 200;

std::uint32_t Cpus() {
  return Start().cpu_count;
}

proc::MapRequest Anonymous(std::uint64_t size, std::uint32_t flags) {
  proc::MapRequest request = {};
  request.length = size;
  request.protection = proc::kMapRead | proc::kMapWrite;
  request.flags = flags;
  return request;
}

abi::DispatcherPage* PageOf(std::uint32_t index) {
  return reinterpret_cast<abi::DispatcherPage*>(abi::kDispatcherBase +
                                                index * abi::kDispatcherStride);
}

void SpinForEver(void*) {
  for (;;) asm volatile("pause");
}
void WaitForEver(void*) {
  for (;;) {
    machine::WaitForEvent(0);
    machine::DispatcherPage()->pending.store(0);
  }
}

// Runs `body` in a copy of this process, and answers how that ended.
template <typename F>
proc::WaitResult InChild(F body) {
  const auto child = Fork();
  CHECK(child.ok());
  if (child.ok() && child.value() == 0) {
    const std::uint32_t before = failures;
    body();
    Exit(failures == before ? 0 : 1);
  }
  const auto ended = WaitFor(child.value());
  CHECK(ended.ok());
  return ended.ValueOr(proc::WaitResult{});
}

bool EndedWell(const proc::WaitResult& ended) {
  return ended.kind == proc::ExitKind::kExited && ended.code == 0;
}

struct Seen {
  Event done;
  std::uint32_t cpu = ~0u;
  std::uint32_t index = ~0u;
  abi::DispatcherPage* page = nullptr;
  bool answered = false;

  static void Look(void* self) {
    auto& seen = *static_cast<Seen*>(self);
    seen.page = machine::DispatcherPage();
    seen.cpu = seen.page->cpu;
    seen.index = seen.page->dispatcher_index;
    seen.answered = kNode.MonotonicTime().ok();
    seen.done.Set();
    WaitForEver(nullptr);
  }
};

// One on each CPU: each has its own page, runs where it was put, and can call the kernel.
void OneOnEachCpu() {
  CHECK(EndedWell(InChild([] {
    for (std::uint32_t cpu = 0; cpu < Cpus(); ++cpu) {
      static Seen seen[64];
      const auto index = StartDispatcher(cpu, Seen::Look, &seen[cpu]);
      CHECK(index.ok() && index.value() == cpu + 1);
      seen[cpu].done.Wait();
      CHECK(seen[cpu].cpu == cpu && seen[cpu].index == cpu + 1);
      CHECK(seen[cpu].page == PageOf(cpu + 1) && seen[cpu].answered);
    }
    CHECK(DispatcherIndex() == 0 && machine::DispatcherPage() == PageOf(0));
    proc::TaskInfo info = {};
    CHECK(kProcess.GetTask(0, &info) == Status::kOk && info.dispatchers == Cpus() + 1);
  })));
}

void RefusesNonsense() {
  abi::UserState state = {};
  state.rip = reinterpret_cast<std::uint64_t>(&SpinForEver);
  CHECK(machine::AddDispatcher(Cpus(), state).status() == Status::kInvalidArgument);
  CHECK(machine::AddDispatcher(~0u, state).status() == Status::kInvalidArgument);
  const auto at = [](std::uint64_t cpu, std::uint64_t address) {
    return machine::CallDispatcher(abi::DispatcherCall::kAddDispatcher, cpu, address).status;
  };
  CHECK(at(~0ull, reinterpret_cast<std::uint64_t>(&state)) == Status::kInvalidArgument);
  CHECK(at(0, 0) == Status::kBadAddress);
  CHECK(at(0, 0xffff'8000'0000'0000) == Status::kBadAddress);
  state.rip = 0xffff'ffff'8020'0000;
  CHECK(machine::AddDispatcher(0, state).status() == Status::kBadAddress);
  state.rip = 0x0000'8000'0000'0000;
  CHECK(machine::AddDispatcher(0, state).status() == Status::kBadAddress);
  CHECK(machine::Notify(1) == Status::kInvalidArgument);
  CHECK(machine::Notify(abi::kDispatchersMax) == Status::kInvalidArgument);
  CHECK(machine::Notify(~0u) == Status::kInvalidArgument);
  CHECK(machine::Park() == Status::kNotSupported);
  CHECK(machine::CancelTicketOf(abi::TicketNumber(1, 3)) == Status::kInvalidArgument);
  CHECK(machine::CancelTicketOf(~0u) == Status::kInvalidArgument);
  proc::TaskInfo info = {};
  CHECK(kProcess.GetTask(0, &info) == Status::kOk && info.dispatchers == 1);
}

// As many as there may be, on all CPUs, and then a kill.
void Crowd(void (*function)(void*)) {
  const auto child = Fork();
  if (child.ok() && child.value() == 0) {
    std::uint32_t made = 0;
    Result<std::uint32_t> added = Status::kOk;
    while ((added = StartDispatcher(made % Cpus(), function, nullptr)).ok()) ++made;
    if (made + 1 != abi::kDispatchersMax || added.status() != Status::kLimitExceeded)
      Exit(1);
    for (;;) Sleep(1000 * kMs);
  }
  // On busy CPUs the making takes its time, and what is killed meanwhile is a test, too.
  Sleep(30 * kMs);
  KillAndWait(child.value());
}
void ManyThatSpin() {
  Crowd(SpinForEver);
}
void ManyThatWait() {
  Crowd(WaitForEver);
  CHECK(EndedWell(InChild([] {
    std::uint32_t made = 0;
    while (StartDispatcher(made % Cpus(), WaitForEver, nullptr).ok()) ++made;
    CHECK(made + 1 == abi::kDispatchersMax);
  })));
}

// The end is said by one that is not the first, while the others do all they can.
void AnyMayEndIt() {
  const proc::WaitResult ended = InChild([] {
    (void)StartDispatcher(0, SpinForEver, nullptr);
    (void)StartDispatcher(Cpus() - 1, WaitForEver, nullptr);
    (void)StartDispatcher(
        Cpus() - 1, [](void*) { Exit(33); }, nullptr);
    SpinForEver(nullptr);
  });
  CHECK(ended.kind == proc::ExitKind::kExited && ended.code == 33);
  const proc::WaitResult died = InChild([] {
    (void)StartDispatcher(
        Cpus() - 1, [](void*) { asm volatile("movl $1, 8"); }, nullptr);
    SpinForEver(nullptr);
  });
  CHECK(died.kind == proc::ExitKind::kKilled && died.code == 11);
}

// One holds the CPU while another of the process, on the same or another CPU, goes on.
void AllMakeProgress() {
  CHECK(EndedWell(InChild([] {
    static std::atomic<std::uint64_t> counters[4][8];
    const auto count = [](void* counter) {
      for (;;) static_cast<std::atomic<std::uint64_t>*>(counter)->fetch_add(1);
    };
    for (std::uint32_t i = 0; i < 4; ++i)
      CHECK(StartDispatcher(i % Cpus(), count, &counters[i][0]).ok());
    std::uint64_t last[4] = {};
    for (int round = 0; round < 3; ++round) {
      for (std::uint32_t i = 0; i < 4; ++i) {
        for (int tries = 0; tries < 1000 && counters[i][0] == last[i]; ++tries) Sleep(kMs);
        CHECK(counters[i][0] != last[i]);
        last[i] = counters[i][0];
      }
    }
  })));
}

struct PingPong {
  Event there, back;
  std::uint32_t heard = 0;
  static void Answer(void* self) {
    auto& pair = *static_cast<PingPong*>(self);
    for (;;) {
      pair.there.Wait();
      ++pair.heard;
      pair.back.Set();
    }
  }
};

void EventsArrive() {
  CHECK(EndedWell(InChild([] {
    static PingPong pairs[2];
    CHECK(StartDispatcher(0, PingPong::Answer, &pairs[0]).ok());
    CHECK(StartDispatcher(Cpus() - 1, PingPong::Answer, &pairs[1]).ok());
    for (std::uint32_t i = 0; i < kEvents; ++i) {
      for (PingPong& pair : pairs) pair.there.Set();
      for (PingPong& pair : pairs) pair.back.Wait();
    }
    CHECK(pairs[0].heard == kEvents && pairs[1].heard == kEvents);
  })));
}

struct Item : WorkQueue::Work {
  std::uint32_t ran_on = 0;
};
WorkQueue queue;
Item items[2][kEvents];
std::atomic<std::uint32_t> left;
Event all_done;

void GiveRow(void* row) {
  for (std::uint32_t i = 0; i < kEvents; ++i) {
    Item& item = static_cast<Item*>(row)[i];
    item.run = [](WorkQueue::Work* work) {
      static_cast<Item*>(work)->ran_on = DispatcherIndex();
      if (left.fetch_sub(1) == 1)
        all_done.Set();
    };
    queue.Post(&item);
    if (i % 16 == 0)
      Sleep(kMs / 10);
  }
}

// Two give work to a third, which waits in between. Each piece is done once, by the third.
void WorkIsDone() {
  CHECK(EndedWell(InChild([] {
    left = 2 * kEvents;
    const auto serve = [](void*) {
      for (;;) queue.RunSome();
    };
    const auto server = StartDispatcher(Cpus() - 1, serve, nullptr);
    CHECK(server.ok() && StartDispatcher(0, GiveRow, items[1]).ok());
    GiveRow(items[0]);
    all_done.Wait();
    CHECK(left == 0);
    for (const auto& row : items)
      for (const Item& item : row) CHECK(item.ran_on == server.ValueOr(0));
  })));
}

// Parked ones are taken again: any number may come and go.
void ParkedAreTakenAgain() {
  CHECK(EndedWell(InChild([] {
    static Event ran;
    std::uint32_t highest = 0;
    for (std::uint32_t i = 0; i < 5 * abi::kDispatchersMax; ++i) {
      const auto index = StartDispatcher(
          i % Cpus(), [](void*) { ran.Set(); }, nullptr);
      CHECK(index.ok());
      if (!index.ok())
        return;
      highest = highest < index.value() ? index.value() : highest;
      ran.Wait();
      if (i % 8 == 0)
        Sleep(kMs);
    }
    // Between its last word and the parking one is not free yet.
    CHECK(highest < abi::kDispatchersMax / 2);
  })));
}

// A further dispatcher forks: the copy has its first dispatcher only, which goes on in its place.
void AnyMayFork() {
  CHECK(EndedWell(InChild([] {
    static Event over;
    static bool good;
    const auto fork = [](void*) {
      const auto child = Fork();
      if (child.ok() && child.value() == 0) {
        proc::TaskInfo info = {};
        const bool alone = kProcess.GetTask(0, &info) == Status::kOk && info.dispatchers == 1;
        Exit(alone && DispatcherIndex() == 0 ? 77 : 78);
      }
      const auto ended = WaitFor(child.ValueOr(0));
      good = ended.ok() && ended.value().code == 77;
      over.Set();
    };
    CHECK(StartDispatcher(0, SpinForEver, nullptr).ok());
    CHECK(StartDispatcher(Cpus() - 1, fork, nullptr).ok());
    over.Wait();
    CHECK(good);
  })));
}

// A process starts again only when nobody else runs in it.
void ReplaceWaitsForOthers() {
  static Event leave;
  const proc::WaitResult ended = InChild([] {
    constexpr char kWords[] = "dispatcher_test\0child=9";
    proc::StartRequest request = {};
    const auto again = [&] {
      return kProcess.Replace(request, kWords, sizeof(kWords), nullptr, 0);
    };
    CHECK(StartDispatcher(
              Cpus() - 1, [](void*) { leave.Wait(); }, nullptr)
              .ok());
    CHECK(again() == Status::kBusy);
    static Event tried;
    static Status status;
    const auto from_another = [](void*) {
      proc::StartRequest other = {};
      status = kProcess.Replace(other, nullptr, 0, nullptr, 0);
      tried.Set();
    };
    CHECK(StartDispatcher(0, from_another, nullptr).ok());
    tried.Wait();
    CHECK(status == Status::kNotSupported);
    leave.Set();
    if (failures != 0)
      Exit(1);
    while (again() == Status::kBusy) Sleep(kMs);
    Exit(2);
  });
  CHECK(ended.kind == proc::ExitKind::kExited && ended.code == 9);
}

// What is mapped anew is what every CPU sees, however busy it is looking.
void ShootDownsReachAll() {
  CHECK(EndedWell(InChild([] {
    static std::atomic<std::uint64_t> address;
    static std::atomic<std::uint64_t> seen[4];
    const auto memory = kProcess.Map(Anonymous(4096, proc::kMapPrivate), 0);
    CHECK(memory.ok());
    address = memory.value();
    *reinterpret_cast<std::atomic<std::uint64_t>*>(memory.value()) = 1;
    const auto look = [](void* where) {
      for (;;)
        *static_cast<std::atomic<std::uint64_t>*>(where) =
            reinterpret_cast<std::atomic<std::uint64_t>*>(address.load())->load();
    };
    for (std::uint32_t i = 0; i < 4; ++i) CHECK(StartDispatcher(i % Cpus(), look, &seen[i]).ok());
    for (std::uint64_t round = 2; round < 20; ++round) {
      // Made elsewhere and moved there: nobody ever sees an empty page.
      const auto fresh = kProcess.Map(Anonymous(4096, proc::kMapPrivate), 0);
      CHECK(fresh.ok());
      *reinterpret_cast<std::atomic<std::uint64_t>*>(fresh.value()) = round;
      CHECK(kProcess
                .Remap(fresh.value(), 4096, 4096, proc::kRemapMayMove | proc::kRemapFixed,
                       memory.value())
                .ok());
      for (const auto& each : seen) {
        for (int tries = 0; tries < 2000 && each != round; ++tries) Sleep(kMs);
        CHECK(each == round);
      }
    }
  })));
}

// One cancels what another waits for, and takes it off the object's list.
void TicketsOfOthers() {
  CHECK(EndedWell(InChild([] {
    static abi::Handle reader;
    static Event armed;
    constexpr std::uint32_t kNumber = 5;
    fs::OpenFileStub writer;
    const auto pipe = kIo.MakePipe(0, &writer);
    CHECK(pipe.ok());
    reader = pipe.value().handle();
    const auto arm = [](void*) {
      CHECK(fs::OpenFileStub(reader).Arm(abi::kReadable, abi::kArmLevel, kNumber) == Status::kOk);
      armed.Set();
      WaitForEver(nullptr);
    };
    const auto other = StartDispatcher(Cpus() - 1, arm, nullptr);
    CHECK(other.ok());
    armed.Wait();
    const std::uint32_t number = abi::TicketNumber(other.ValueOr(0), kNumber);
    CHECK(machine::CancelTicket(kNumber) == Status::kAlreadyCompleted);  // our own of that number
    CHECK(machine::CancelTicketOf(number) == Status::kOk);
    CHECK(machine::CancelTicketOf(number) == Status::kAlreadyCompleted);
    CHECK(fs::OpenFileStub(reader).Disarm(number) == Status::kOk);
    CHECK(fs::OpenFileStub(reader).Disarm(abi::TicketNumber(40, kNumber)) == Status::kOk);
    CHECK(fs::OpenFileStub(reader).Disarm(~0u) == Status::kOk);
    CHECK(writer.Write("x", 1, abi::kNoTicket).ok());
    Sleep(5 * kMs);
    CHECK(PageOf(other.ValueOr(0))->tickets_fired[0] == 0);
  })));
}

void StopReachesAll() {
  const auto shared = kProcess.Map(Anonymous(4096, proc::kMapShared), 0);
  CHECK(shared.ok());
  static std::atomic<std::uint64_t>* counters;
  counters = reinterpret_cast<std::atomic<std::uint64_t>*>(shared.value());
  const auto child = Fork();
  if (child.ok() && child.value() == 0) {
    const auto count = [](void* counter) {
      for (;;) static_cast<std::atomic<std::uint64_t>*>(counter)->fetch_add(1);
    };
    (void)StartDispatcher(Cpus() - 1, count, &counters[8]);
    (void)StartDispatcher(0, count, &counters[16]);
    count(&counters[0]);
  }
  const auto all_counted = [] {
    std::uint64_t before[3];
    for (int i = 0; i < 3; ++i) before[i] = counters[i * 8];
    bool all = false;
    for (int tries = 0; tries < 2000 && !all; ++tries) {
      Sleep(kMs);
      all = true;
      for (int i = 0; i < 3; ++i) all = all && counters[i * 8] != before[i];
    }
    return all;
  };
  CHECK(all_counted());
  CHECK(Signal(child.value(), abi::kSignalStop).ok());
  CHECK(WaitFor(child.value(), proc::kWaitStopped).ok());
  // Other CPUs hear of it by message, and a busy machine may let one stand still for long.
  const auto all_stand = [] {
    std::uint64_t before[3];
    for (int i = 0; i < 3; ++i) before[i] = counters[i * 8];
    Sleep(20 * kMs);
    bool all = true;
    for (int i = 0; i < 3; ++i) all = all && before[i] == counters[i * 8];
    return all;
  };
  for (int tries = 0; tries < 100 && !all_stand(); ++tries) {
  }
  CHECK(all_stand());
  CHECK(Signal(child.value(), abi::kSignalContinue).ok());
  CHECK(all_counted());
  KillAndWait(child.value());
  CHECK(kProcess.Unmap(shared.value(), 4096) == Status::kOk);
}

// What the process used is what its dispatchers used, before and after the end.
void TimesAreSummed() {
  constexpr std::uint64_t kSpin = 60 * kMs;
  const std::uint64_t from = Now();
  const auto child = Fork();
  if (child.ok() && child.value() == 0) {
    for (std::uint32_t cpu = 0; cpu < Cpus(); ++cpu)
      (void)StartDispatcher(cpu, SpinForEver, nullptr);
    (void)StartDispatcher(Cpus() - 1, WaitForEver, nullptr);
    SpinForEver(nullptr);
  }
  Sleep(kSpin);
  proc::TaskInfo info = {};
  CHECK(kProcess.GetTask(child.value(), &info) == Status::kOk);
  CHECK(info.dispatchers == Cpus() + 2);
  CHECK(Signal(child.value(), abi::kSignalKill).ok());
  const auto ended = WaitFor(child.value());
  const std::uint64_t wall = Now() - from;
  CHECK(ended.ok() && ended.value().user_ns >= info.user_ns);
  Log("  {} us of CPU time in {} us on {} CPUs", ended.value().user_ns / 1000, wall / 1000, Cpus());
  // All CPUs are its own; the way there and back is not.
  if (Cpus() > 1)
    CHECK(ended.value().user_ns > wall * 5 / 4);
  else
    CHECK(ended.value().user_ns <= wall);
}

// Writes nonsense over the pages of others, which go on trapping, waiting and being called. The
// child dies of it, or not.
void GarbageInPages() {
  for (std::uint32_t seed = 1; seed < 9; ++seed) {
    const auto child = Fork();
    if (child.ok() && child.value() == 0) {
      const auto call = [](void*) {
        for (;;) {
          machine::YieldCpu();
          machine::SetTimer(Now() + 1000);
          machine::WaitForEvent(Now() + 2000);
        }
      };
      for (std::uint32_t i = 0; i < 4; ++i) (void)StartDispatcher(i % Cpus(), call, nullptr);
      std::uint64_t value = seed;
      for (int round = 0; round < 2000; ++round) {
        for (std::uint32_t index = 1; index < 5; ++index) {
          auto* words = reinterpret_cast<volatile std::uint64_t*>(PageOf(index));
          value = value * 6364136223846793005 + 1442695040888963407;
          words[value >> 33 & 511] = value;
        }
        if (round % 100 == 0)
          (void)machine::Notify(1 + (round / 100 & 3));
      }
      Exit(0);
    }
    CHECK(WaitFor(child.value()).ok());
  }
  CHECK(kNode.MonotonicTime().ok());
}

// Ends in the middle of everything: making, parking, calling, faulting.
void KilledAnywhere() {
  proc::NodeInfo info = {};
  std::uint64_t before = 0;
  constexpr int kRounds = 40;
  for (int round = 0; round < kRounds; ++round) {
    const auto child = Fork();
    if (child.ok() && child.value() == 0) {
      const auto fault = [](void*) {
        for (;;) {
          const auto memory = kProcess.Map(Anonymous(1 << 16, proc::kMapPrivate), 0);
          if (!memory.ok())
            return;
          for (int i = 0; i < 16; ++i)
            reinterpret_cast<volatile char*>(memory.value())[i * 4096] = 1;
          (void)kProcess.Unmap(memory.value(), 1 << 16);
        }
      };
      const auto nothing = [](void*) {};
      (void)StartDispatcher(Cpus() - 1, fault, nullptr);
      (void)StartDispatcher(0, fault, nullptr);
      for (std::uint32_t i = 0;; ++i) (void)StartDispatcher(i % Cpus(), nothing, nullptr);
    }
    Sleep(kMs + round * kMs / 8);
    KillAndWait(child.value());
    if (round == kRounds / 4) {
      Sleep(20 * kMs);  // grace periods
      (void)kNode.GetInfo(&info);
      before = info.memory_free;
    }
  }
  Sleep(20 * kMs);
  (void)kNode.GetInfo(&info);
  const std::uint64_t lost = before > info.memory_free ? before - info.memory_free : 0;
  Log("  {} KiB less free", lost >> 10);
  CHECK(lost < (2 << 20));  // the kernel's pools grow to the most there ever was
}

constexpr Test kTests[] = {
    {"each_cpu", OneOnEachCpu},
    {"nonsense", RefusesNonsense},
    {"many_spin", ManyThatSpin},
    {"many_wait", ManyThatWait},
    {"exit", AnyMayEndIt},
    {"progress", AllMakeProgress},
    {"events", EventsArrive},
    {"work", WorkIsDone},
    {"park", ParkedAreTakenAgain},
    {"fork", AnyMayFork},
    {"replace", ReplaceWaitsForOthers},
    {"shoot_down", ShootDownsReachAll},
    {"tickets", TicketsOfOthers},
    {"stop", StopReachesAll},
    {"times", TimesAreSummed},
    {"garbage", GarbageInPages},
    {"killed", KilledAnywhere},
};

}  // namespace

int Main(std::span<const std::string_view> words) {
  constexpr std::string_view kChild = "child=";
  for (const std::string_view word : words.subspan(1)) {
    if (word.starts_with(kChild))
      return static_cast<int>(ParseNumber(word.substr(kChild.size())).ValueOr(0));
  }
  return RunTests("dispatchers", kTests, words.size() <= 1, words.subspan(1));
}

}  // namespace k42::runtime
