// Tests of protected calls: this program serves an object (tests/idl/echo.idl), and calls it from
// others. Words: names of tests, none for all; or "serve=NAME". Exit code: how many failed.
//
// Long because: each test is a few lines, and all share the server and what starts and kills it.
#include <algorithm>
#include <cstring>

#include "idl/echo.serve.h"
#include "idl/echo.stub.h"
#include "user/programs/checks.h"
#include "user/runtime/fork.h"
#include "user/runtime/serve.h"

namespace k42::runtime {

namespace {

using idl::EchoStub;
using machine::Log;

constexpr std::uint32_t kSlots = 8;
constexpr std::uint64_t kLong = 20'000 * kMs;

// -- the server -----------------------------------------------------------------------------------

std::uint64_t ended_objects = 0;
idl::EchoHeard all_heard = {};

class Echo final : public idl::EchoServer {
 public:
  Status Null(const abi::ServedCall&) override { return Status::kOk; }
  Result<std::uint64_t> Add(const abi::ServedCall&, std::uint64_t first,
                            std::uint64_t second) override {
    return first + second;
  }
  Result<std::uint64_t> Six(const abi::ServedCall&, std::uint64_t a, std::uint64_t b,
                            std::uint64_t c, std::uint64_t d, std::uint64_t e,
                            std::uint64_t f) override {
    return a + 10 * b + 100 * c + 1000 * d + 10'000 * e + 100'000 * f;
  }
  Result<std::uint32_t> Look(const abi::ServedCall&, std::uint32_t what) override { return what; }
  Result<std::uint32_t> Change(const abi::ServedCall&, std::uint32_t what) override {
    return what + 1;
  }
  Status Turn(const abi::ServedCall&, const idl::EchoPair& pair, idl::EchoPair& turned) override {
    turned = {pair.second, pair.first};
    return Status::kOk;
  }
  Result<std::uint64_t> Reverse(const abi::ServedCall&, std::span<const std::byte> text,
                                std::span<std::byte> reversed) override {
    const std::size_t size = std::min(text.size(), reversed.size());
    for (std::size_t i = 0; i < size; ++i) reversed[i] = text[size - 1 - i];
    return size;
  }
  Status Fill(const abi::ServedCall&, std::span<std::byte> bytes) override {
    for (std::byte& byte : bytes) byte = std::byte{0x5a};
    return Status::kOk;
  }
  Result<idl::EchoMood> Mood(const abi::ServedCall&, idl::EchoMood mood) override { return mood; }
  Status Who(const abi::ServedCall& call, idl::EchoCaller& caller) override {
    proc::Credential credential = {};
    TRY(kExporter.GetCaller(call.number, &credential));
    caller = {call.process(), call.task(), credential.effective_user,
              static_cast<std::uint32_t>(call.rights)};
    return Status::kOk;
  }
  Status Fail(const abi::ServedCall&, std::int64_t status) override {
    return static_cast<Status>(status);
  }
  Result<std::uint64_t> Spin(const abi::ServedCall&, std::uint64_t ns) override {
    const std::uint64_t until = Now() + ns;
    while (Now() < until) {
    }
    return ns;
  }
  Result<std::uint64_t> Chain(const abi::ServedCall&, std::span<const std::byte> next,
                              std::uint64_t depth) override {
    if (depth == 0)
      return 0u;
    // Here and there by turns: the name is "a" or "b", behind what comes before.
    char name[32] = {};
    std::memcpy(name, next.data(), next.size());
    name[next.size() - 1] = name[next.size() - 1] == 'a' ? 'b' : 'a';
    const auto found = FindPublished({reinterpret_cast<const char*>(next.data()), next.size()}, 0);
    if (!found.ok())
      return found.status();
    const auto sum = EchoStub(found.value()).Chain(name, next.size(), depth - 1);
    (void)kProcess.CloseHandle(found.value());
    if (!sum.ok())
      return sum.status();
    return sum.value() + depth;
  }
  Result<abi::Handle> Make(const abi::ServedCall&, std::uint32_t rights) override;
  Result<std::uint64_t> Ended(const abi::ServedCall&) override {
    // Nobody serves events while calls come one after the other.
    while (kExporter.TakeReleased().ok()) ++ended_objects;
    return ended_objects;
  }
  Status Die(const abi::ServedCall&) override { Exit(0); }
  Status Heard(const abi::ServedCall&, idl::EchoHeard& heard) override {
    heard = all_heard;
    return Status::kOk;
  }
};

Echo echo;
const Served served = {&idl::ServeEcho, static_cast<idl::EchoServer*>(&echo)};

Result<abi::Handle> Echo::Make(const abi::ServedCall&, std::uint32_t rights) {
  return Export(served, idl::kEchoServed, rights);
}

// `calls`: a server that its main code calls without end, instead of waiting for events; none.
int ServeAs(std::string_view name, std::string_view calls) {
  if (OpenCalls(kSlots, 16 << 10) != Status::kOk)
    return 1;
  const auto object = Export(served, idl::kEchoServed);
  if (!object.ok() || Publish(name, object.value()) != Status::kOk)
    return 2;
  if (!calls.empty()) {
    const EchoStub other(FindPublished(calls, kLong).ValueOr(0));
    while (other.Spin(2 * kMs).ok()) {
    }
    return 3;
  }
  for (;;) {
    Serve();
    proc::ReceivedMessage message = {};
    const std::uint64_t before = all_heard.messages;
    while (kExporter.TakeMessage(&message) == Status::kOk) {
      ++all_heard.messages;
      all_heard.sum += message.word[0];
      all_heard.identity = message.identity;
    }
    all_heard.wakes += all_heard.messages != before ? 1 : 0;
  }
}

// Tries until it is so: slots may all be taken for a while.
template <typename Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition())
      return true;
    Sleep(kMs);
  }
  return false;
}

// -- its callers ----------------------------------------------------------------------------------

// It may have ended by itself meanwhile.
void Kill(std::uint32_t task) {
  (void)Signal(task, abi::kSignalKill);
  (void)WaitFor(task);
}

void AllowCpus(std::uint64_t cpus) {
  proc::Schedule schedule;
  CHECK(kProcess.GetSchedule(0, &schedule) == Status::kOk);
  schedule.cpus = cpus;
  CHECK(kProcess.SetSchedule(0, schedule) == Status::kOk);
}

std::uint32_t next_name = 0;

// A server process, and a handle of what it serves.
struct Server {
  std::uint32_t task = 0;
  char name[24] = {};
  EchoStub echo;

  std::string_view NameOf() const { return {name, std::strlen(name)}; }

  explicit Server(std::uint64_t cpus, const char* fixed_name = nullptr,
                  std::string_view calls = {}) {
    char words[96];
    if (fixed_name != nullptr)
      std::memcpy(name, fixed_name, std::strlen(fixed_name));
    else
      name[Format({name, sizeof name - 1}, "echo{}", next_name++)] = '\0';
    const std::size_t size =
        Format({words, sizeof words}, "call_test serve={} calls={}", NameOf(), calls);
    words[std::strlen("call_test")] = '\0';
    words[std::strlen("call_test serve=") + NameOf().size()] = '\0';
    AllowCpus(cpus);
    const auto child = SpawnSelf(words, size);
    AllowCpus(~std::uint64_t{0});
    CHECK(child.ok());
    task = child.ValueOr(0);
    const auto found = FindPublished(NameOf(), kLong);
    CHECK(found.ok());
    echo = EchoStub(found.ValueOr(0));
  }
  void Close() const {
    CHECK(kProcess.CloseHandle(echo.handle()) == Status::kOk);
    Kill(task);
  }
};

std::uint64_t OwnCpu() {
  return std::uint64_t{1} << machine::DispatcherPage()->cpu;
}
std::uint64_t OtherCpu() {
  return Start().cpu_count > 1 ? OwnCpu() == 1 ? 2 : 1 : OwnCpu();
}

void BasicCalls(const EchoStub& object) {
  CHECK(object.Null() == Status::kOk);
  CHECK(object.Add(3, 4).ValueOr(0) == 7);
  CHECK(object.Six(1, 2, 3, 4, 5, 6).ValueOr(0) == 654'321);
  CHECK(object.Mood(idl::EchoMood::kCross).ValueOr(idl::EchoMood::kCalm) == idl::EchoMood::kCross);
  CHECK(machine::NativeCall(abi::NativeNumber(object.handle(), 8), 5).status ==
        Status::kInvalidArgument);  // no mood
  CHECK(object.Fail(static_cast<std::int64_t>(Status::kNoSpace)) == Status::kNoSpace);
  // What only the kernel may say.
  CHECK(object.Fail(static_cast<std::int64_t>(Status::kPending)) == Status::kCorrupt);
  CHECK(object.Fail(5) == Status::kCorrupt);
  CHECK(machine::NativeCall(abi::NativeNumber(object.handle(), 99)).status == Status::kNoMethod);
  for (std::uint64_t i = 0; i < 1000; ++i) CHECK(object.Add(i, 1).ValueOr(0) == i + 1);
}

void BulkCalls(const EchoStub& object) {
  idl::EchoPair turned = {};
  CHECK(object.Turn({1, 2}, &turned) == Status::kOk && turned.first == 2 && turned.second == 1);
  static char text[4096], reversed[8192];
  for (std::size_t i = 0; i < sizeof text; ++i) text[i] = static_cast<char>(i * 7);
  CHECK(object.Reverse(text, sizeof text, reversed, 4096).ValueOr(0) == 4096);
  bool same = true;
  for (std::size_t i = 0; i < 4096; ++i) same &= reversed[i] == text[4095 - i];
  CHECK(same);
  // Only as many bytes come back as the answer says.
  std::memset(reversed, 1, sizeof reversed);
  CHECK(object.Reverse(text, 3, reversed, 10).ValueOr(0) == 3);
  CHECK(reversed[2] == text[0] && reversed[3] == 1);
  CHECK(object.Fill(reversed, 8192) == Status::kOk && reversed[8191] == 0x5a);
  CHECK(object.Reverse(text, 0, reversed, 0).ValueOr(9) == 0);
  CHECK(object.Fill(reversed, 8193) == Status::kMessageTooLong);
  CHECK(object.Fill(reversed, ~std::uint64_t{0}) == Status::kMessageTooLong);
  // Addresses that are none: before the call, and after it.
  const auto raw = [&](std::uint64_t in, std::uint64_t out) {
    return machine::NativeCall(abi::NativeNumber(object.handle(), 5), in, out).status;
  };
  const auto good = reinterpret_cast<std::uint64_t>(&turned);
  CHECK(raw(8, good) == Status::kBadAddress);
  CHECK(raw(good, 8) == Status::kBadAddress);
  CHECK(raw(good, 0xffff'8000'0000'0000) == Status::kBadAddress);
  CHECK(raw(good, good) == Status::kOk);
}

void Calls() {
  for (const std::uint64_t cpus : {OwnCpu(), OtherCpu()}) {
    const Server server(cpus);
    BasicCalls(server.echo);
    BulkCalls(server.echo);
    server.Close();
  }
}

void RightsAndHandles() {
  const Server server(OwnCpu());
  const abi::Handle whole = server.echo.handle();
  CHECK(server.echo.Look(5).ValueOr(0) == 5 && server.echo.Change(5).ValueOr(0) == 6);
  const auto reader = kProcess.DuplicateHandle(whole, kRightRead);
  CHECK(reader.ok());
  const EchoStub read_only(reader.ValueOr(0));
  CHECK(read_only.Look(5).ValueOr(0) == 5);
  CHECK(read_only.Change(5).status() == Status::kPermissionDenied);
  CHECK(read_only.Null() == Status::kOk);
  CHECK(Publish("stolen", reader.ValueOr(0)) == Status::kPermissionDenied);
  // Every method, by a handle that is stale, and by ones that never were.
  CHECK(kProcess.CloseHandle(reader.value()) == Status::kOk);
  for (std::uint32_t method = 0; method < 64; ++method) {
    for (const abi::Handle handle : {reader.value(), whole ^ 0x10000, abi::Handle{0xff'fff0}})
      CHECK(machine::NativeCall(abi::NativeNumber(handle, method)).status == Status::kBadHandle);
  }
  // It is no object of the kernel's.
  proc::MapRequest request = {};
  request.length = 4096;
  request.protection = proc::kMapRead;
  request.flags = proc::kMapShared;
  CHECK(kProcess.Map(request, whole).status() == Status::kBadHandle);
  // Only who serves a call may end it, and who does not serve may not wait for calls.
  CHECK(machine::CallDispatcher(abi::DispatcherCall::kReturnCall, 0, 0).status ==
        Status::kInvalidArgument);
  server.Close();
}

void Identity() {
  const Server server(OwnCpu());
  const auto child = Fork();
  if (child.ok() && child.value() == 0) {
    proc::Credential who = {};
    (void)kProcess.GetCredential(0, &who);
    who.user = who.effective_user = who.saved_user = who.file_user = 1000;
    (void)kProcess.SetCredential(0, 0, who);
    idl::EchoCaller caller = {};
    std::uint32_t bad = server.echo.Who(&caller) == Status::kOk ? 0 : 1;
    const std::uint32_t self = kProcess.GetNumber(0, proc::TaskNumber::kOwn).ValueOr(0);
    bad += caller.process == self && caller.task == self ? 0 : 2;
    bad += caller.effective_user == 1000 ? 0 : 4;
    bad += caller.rights == kAllRights ? 0 : 8;
    Exit(bad);
  }
  const auto ended = WaitFor(child.value());
  CHECK(ended.ok() && ended.value().code == 0);
  proc::Credential credential;
  CHECK(kExporter.GetCaller(0, &credential) == Status::kNotFound);
  server.Close();
}

void Objects() {
  for (const std::uint64_t cpus : {OwnCpu(), OtherCpu()}) {
    const Server server(cpus);
    for (std::uint64_t round = 1; round <= 20; ++round) {
      const auto made = server.echo.Make(kRightRead);
      CHECK(made.ok());
      CHECK(made.ok() && made.value().Look(9).ValueOr(0) == 9);
      CHECK(made.ok() && made.value().Change(9).status() == Status::kPermissionDenied);
      CHECK(kProcess.CloseHandle(made.ValueOr(EchoStub()).handle()) == Status::kOk);
      CHECK(Eventually([&] { return server.echo.Ended().ValueOr(0) == round; }));
    }
    server.Close();
  }
}

// Calls that go back and forth between two servers, on one CPU or two.
void Recursion() {
  constexpr std::string_view kFirst = "chain.a";
  for (const std::uint64_t cpus : {OwnCpu(), OtherCpu()}) {
    const Server a(OwnCpu(), "chain.a"), b(cpus, "chain.b");
    for (std::uint64_t depth = 1; depth <= 6; ++depth)
      CHECK(b.echo.Chain(kFirst.data(), kFirst.size(), depth).ValueOr(0) ==
            depth * (depth + 1) / 2);
    // More at a time than there are slots: refused, not stuck.
    CHECK(b.echo.Chain(kFirst.data(), kFirst.size(), 4 * kSlots).status() == Status::kBusy);
    CHECK(b.echo.Add(1, 1).ValueOr(0) == 2);
    a.Close();
    CHECK(b.echo.Chain(kFirst.data(), kFirst.size(), 2).status() == Status::kNotFound);
    b.Close();
  }
}

void ServerEnds() {
  for (const std::uint64_t cpus : {OwnCpu(), OtherCpu()}) {
    const Server server(cpus);
    CHECK(server.echo.Die() == Status::kUnknown);
    CHECK(server.echo.Null() == Status::kEndpointDown);
    CHECK(server.echo.Null() == Status::kEndpointDown);
    (void)WaitFor(server.task);
    CHECK(server.echo.Null() == Status::kEndpointDown);
    CHECK(kProcess.CloseHandle(server.echo.handle()) == Status::kOk);
  }
}

// Somebody kills the server while it spins in a call, and its queue is full of callers.
void ServerKilled() {
  for (const std::uint64_t cpus : {OwnCpu(), OtherCpu()}) {
    const Server server(cpus);
    std::uint32_t children[4] = {};
    for (std::uint32_t& child : children) {
      child = Fork().ValueOr(0);
      if (child == 0) {
        const Status status = server.echo.Spin(kLong).status();
        Exit(status == Status::kUnknown ? 0 : status == Status::kEndpointDown ? 1 : 2);
      }
    }
    Sleep(50 * kMs);
    Kill(server.task);
    std::uint32_t begun = 0, waited = 0;
    for (const std::uint32_t child : children) {
      const auto ended = WaitFor(child);
      CHECK(ended.ok() && ended.value().code <= 1);
      (ended.value().code == 0 ? begun : waited) += 1;
    }
    CHECK(begun == 1 && waited == 3);
    CHECK(kProcess.CloseHandle(server.echo.handle()) == Status::kOk);
  }
}

// Callers are killed, at work, in the queue; the server goes on and loses no slot.
void CallersKilled() {
  for (const std::uint64_t cpus : {OwnCpu(), OtherCpu()}) {
    const Server server(cpus);
    for (std::uint32_t round = 0; round < 3 * kSlots; ++round) {
      std::uint32_t children[2] = {};
      for (std::uint32_t& child : children) {
        child = Fork().ValueOr(0);
        if (child == 0) {
          (void)server.echo.Spin(20 * kMs);
          Exit(0);
        }
      }
      Sleep(4 * kMs);
      for (const std::uint32_t child : children) Kill(child);
    }
    BasicCalls(server.echo);
    server.Close();
  }
}

std::uint64_t CpuTime(std::uint32_t task) {
  proc::TaskInfo info = {};
  CHECK(kProcess.GetTask(task, &info) == Status::kOk);
  return info.user_ns;
}

// The server's time is the caller's, also if others want the CPU meanwhile.
void Accounts() {
  const Server server(OwnCpu());
  for (const bool contended : {false, true}) {
    std::uint32_t other = 0;
    if (contended) {
      AllowCpus(OwnCpu());
      other = Fork().ValueOr(0);
      if (other == 0) {
        for (;;) {
        }
      }
      AllowCpus(~std::uint64_t{0});
    }
    AllowCpus(OwnCpu());
    const auto child = Fork();
    if (child.ok() && child.value() == 0) {
      // By the clock the contended server has half of the CPU: count its own work.
      Exit(server.echo.Spin(300 * kMs).ok() ? 0 : 1);
    }
    AllowCpus(~std::uint64_t{0});
    const std::uint64_t before = CpuTime(server.task);
    const auto ended = WaitFor(child.value());
    const std::uint64_t servers = CpuTime(server.task) - before;
    const std::uint64_t callers = ended.ok() ? ended.value().user_ns : 0;
    Log("  {}: caller {} us, server {} us", contended ? "contended" : "alone", callers / 1000,
        servers / 1000);
    CHECK(callers > (contended ? 80 : 250) * kMs);
    CHECK(servers * 20 <= callers);
    if (contended)
      Kill(other);
  }
  server.Close();
}

void Names() {
  const Server server(OwnCpu());
  CHECK(Publish(server.NameOf(), server.echo.handle()) == Status::kAlreadyExists);
  CHECK(FindPublished("nobody", 0).status() == Status::kNotFound);
  CHECK(Publish("", server.echo.handle()) == Status::kInvalidArgument);
  CHECK(Publish("bad", 0x12'3456) == Status::kBadHandle);
  CHECK(Publish("kernel's", abi::kNodeHandle) == Status::kOk);
  const auto node = FindPublished("kernel's", 0);
  CHECK(node.ok() && proc::NodeStub(node.value()).MonotonicTime().ok());
  // The name of one that has ended may be taken over.
  char name[24] = {};
  std::memcpy(name, server.name, sizeof name);
  server.Close();
  const Server again(OwnCpu(), name);
  CHECK(Publish(again.NameOf(), abi::kNodeHandle) == Status::kAlreadyExists);
  again.Close();
}

// The queue's length (ipc/message_queue.h).
constexpr std::uint64_t kQueue = 64;

Status Send(const Server& server, std::uint64_t word, std::uint32_t ticket) {
  return kExporter.Send(server.echo.handle(), {{word, 0, 0, 0}}, ticket);
}

// One who sends faster than the other takes is told once that there is room; the other is woken
// once for all that is there.
void Messages() {
  const Server server(OwnCpu());
  const std::uint32_t self = kProcess.GetNumber(0, proc::TaskNumber::kOwn).ValueOr(0);
  std::uint64_t sum = 0;
  for (std::uint64_t round = 1; round <= 3; ++round) {
    // A call keeps the server from taking any of them meanwhile.
    const auto busy = Fork();
    if (busy.ok() && busy.value() == 0)
      Exit(server.echo.Spin(200 * kMs).ok() ? 0 : 1);
    Sleep(20 * kMs);
    std::uint64_t sent = 0;
    Status status = Status::kOk;
    while (status == Status::kOk && sent < 2 * kQueue) {
      status = Send(server, round * 1000 + sent, abi::kNoTicket);
      sum += status == Status::kOk ? round * 1000 + sent : 0;
      sent += status == Status::kOk ? 1 : 0;
    }
    CHECK(status == Status::kWouldBlock && sent >= kQueue);
    const Status waits = Send(server, 0, kTicket);
    CHECK(waits == Status::kPending || waits == Status::kOk);
    if (waits == Status::kPending) {
      CHECK(WaitForTicket(kTicket).status == Status::kOk);
      CHECK(Send(server, 0, abi::kNoTicket) == Status::kOk);
    }
    idl::EchoHeard heard = {};
    for (std::uint64_t until = Now() + kLong;
         heard.messages < round * (kQueue + 1) && Now() < until;) {
      Sleep(kMs);
      CHECK(server.echo.Heard(&heard) == Status::kOk);
    }
    Sleep(5 * kMs);
    CHECK(server.echo.Heard(&heard) == Status::kOk);
    (void)WaitFor(busy.value());
    CHECK(heard.sum == sum && heard.identity == (std::uint64_t{self} << 32 | self));
    CHECK(heard.wakes <= 4 * round && heard.messages >= round * (kQueue + 1));
  }
  // Not by everybody, not to everything.
  const auto reader = kProcess.DuplicateHandle(server.echo.handle(), kRightRead);
  CHECK(kExporter.Send(reader.ValueOr(0), {}, abi::kNoTicket) == Status::kPermissionDenied);
  CHECK(kExporter.Send(abi::kNodeHandle, {}, abi::kNoTicket) == Status::kBadHandle);
  CHECK(kExporter.Send(0xff'fff0, {}, abi::kNoTicket) == Status::kBadHandle);
  proc::ReceivedMessage none;
  CHECK(kExporter.TakeMessage(&none) == Status::kNotFound);
  // The server ends while its queue is full, and one waits for room.
  const auto child = Fork();
  if (child.ok() && child.value() == 0) {
    (void)server.echo.Spin(kLong);
    Exit(0);
  }
  Sleep(20 * kMs);
  Status status = Status::kOk;
  for (std::uint64_t i = 0; i < 2 * kQueue && status == Status::kOk; ++i)
    status = Send(server, i, kTicket);
  CHECK(status == Status::kPending);
  Kill(server.task);
  CHECK(WaitForTicket(kTicket).status == Status::kEndpointDown);
  CHECK(Send(server, 1, kTicket) == Status::kEndpointDown);
  (void)WaitFor(child.value());
  CHECK(kProcess.CloseHandle(server.echo.handle()) == Status::kOk);
}

// Calls of all kinds until the servers have gone. 0: every answer was right.
std::uint32_t CallUntilTheEnd(const Server& a, const Server& b, std::uint64_t seed) {
  constexpr std::string_view kFirst = "storm.a";
  char text[64], reversed[64] = {};
  std::memset(text, 'x', sizeof text);
  for (std::uint64_t i = seed;; ++i) {
    const EchoStub& object = (i & 1) == 0 ? a.echo : b.echo;
    Status status = Status::kOk;
    switch (i * 7 % 5) {
      case 0: {
        const auto sum = object.Add(i, seed);
        status = sum.status();
        if (sum.ok() && sum.value() != i + seed)
          return 1;
        break;
      }
      case 1: {
        const auto size = object.Reverse(text, sizeof text, reversed, sizeof reversed);
        status = size.status();
        if (size.ok() && (size.value() != sizeof text || reversed[5] != 'x'))
          return 2;
        break;
      }
      case 2: {
        const auto sum = object.Chain(kFirst.data(), kFirst.size(), 3);
        status = sum.status();
        if (sum.ok() && sum.value() != 6)
          return 3;
        break;
      }
      case 3: {
        const auto made = object.Make(kRightRead);
        status = made.status();
        if (made.ok()) {
          const auto seen = made.value().Look(11);
          status = seen.status();
          if (kProcess.CloseHandle(made.value().handle()) != Status::kOk ||
              (seen.ok() && seen.value() != 11))
            return 4;
        }
        break;
      }
      default:
        status = object.Spin(50'000).status();
    }
    switch (status) {
      case Status::kOk:
      case Status::kBusy:  // more callers than slots
        break;
      case Status::kUnknown:
      case Status::kEndpointDown:
      case Status::kNotFound:
        return 0;
      default:
        return 5;
    }
  }
}

// Callers on all CPUs, some killed at any moment, and in the end the servers: every one ends.
void Storm() {
  constexpr std::uint32_t kCallers = 5, kKills = 30;
  const Server a(OwnCpu(), "storm.a"), b(OtherCpu(), "storm.b");
  std::uint32_t callers[kCallers] = {};
  std::uint64_t seed = 1;
  const auto start = [&] {
    const std::uint32_t child = Fork().ValueOr(0);
    if (child == 0)
      Exit(CallUntilTheEnd(a, b, seed));
    ++seed;
    return child;
  };
  for (std::uint32_t& caller : callers) caller = start();
  for (std::uint32_t i = 0; i < kKills; ++i) {
    Sleep((1 + i % 3) * kMs);
    std::uint32_t& caller = callers[i % kCallers];
    Kill(caller);
    caller = start();
  }
  // Those that were killed are forgotten: what is left works.
  CHECK(Eventually([&] { return a.echo.Add(1, 2).ValueOr(0) == 3; }));
  CHECK(Eventually([&] { return b.echo.Add(1, 2).ValueOr(0) == 3; }));
  Kill(a.task);
  Kill(b.task);
  for (const std::uint32_t caller : callers) {
    const auto ended = WaitFor(caller);
    CHECK(ended.ok() && ended.value().code == 0);
  }
  CHECK(kProcess.CloseHandle(a.echo.handle()) == Status::kOk);
  CHECK(kProcess.CloseHandle(b.echo.handle()) == Status::kOk);
}

// A server whose own code waits for another's answer takes calls meanwhile, from here and
// elsewhere: its time pays for the other server then, and for nothing else.
void ServersThatCall() {
  constexpr std::uint32_t kCallers = 3;
  for (const std::uint64_t cpus : {OtherCpu(), OwnCpu()}) {
    const Server busy(OwnCpu(), "call.busy"), between(OwnCpu(), "call.between", "call.busy");
    std::uint32_t callers[kCallers] = {};
    for (std::uint32_t& caller : callers) {
      AllowCpus(cpus);
      caller = Fork().ValueOr(0);
      if (caller == 0) {
        for (std::uint32_t i = 0; i < 150; ++i) {
          if (between.echo.Add(i, 1).ValueOr(0) != i + 1)
            Exit(1);
        }
        Exit(0);
      }
      AllowCpus(~std::uint64_t{0});
    }
    for (const std::uint32_t caller : callers) {
      const auto ended = WaitFor(caller);
      CHECK(ended.ok() && ended.value().kind == proc::ExitKind::kExited && ended.value().code == 0);
    }
    // It is killed while the other spins on its time, or sleeps.
    between.Close();
    CHECK(busy.echo.Add(1, 1).ValueOr(0) == 2);
    busy.Close();
  }
}

// For tests/guest/call_trace.py: some calls in a row, and nothing else.
void Traced() {
  const Server server(OwnCpu());
  // The first one may find the server where it has published the object and waits for no call yet.
  CHECK(server.echo.Null() == Status::kOk);
  for (int i = 0; i < 8; ++i) CHECK(server.echo.Null() == Status::kOk);
  Log("traced: {} calls {}", kProcess.GetNumber(0, proc::TaskNumber::kOwn).ValueOr(0), server.task);
  for (;;) machine::WaitForEvent(0);
}

// Exports that are not what they should be.
void BadExports() {
  proc::ExportRequest request = {};
  const abi::ServedMethod good[2] = {};
  CHECK(kExporter.Export(request, good, sizeof good).status() == Status::kNotSupported);
  CHECK(kExporter.OpenCalls(0, 0).status() == Status::kInvalidArgument);
  CHECK(kExporter.OpenCalls(33, 0).status() == Status::kInvalidArgument);
  CHECK(kExporter.OpenCalls(1, 100).status() == Status::kInvalidArgument);
  CHECK(kExporter.OpenCalls(1, 1 << 20).status() == Status::kInvalidArgument);
  CHECK(kExporter.OpenCalls(2, 4096).ok());
  CHECK(kExporter.OpenCalls(2, 4096).status() == Status::kAlreadyExists);
  CHECK(kExporter.Export(request, good, sizeof good - 1).status() == Status::kInvalidArgument);
  CHECK(kExporter.Export(request, good, 0).status() == Status::kInvalidArgument);
  abi::ServedMethod bad = {};
  bad.word[0] = abi::ServedWord(abi::WordKind::kInBuffer, 100);  // without its size
  CHECK(kExporter.Export(request, &bad, sizeof bad).status() == Status::kInvalidArgument);
  bad.word[0] = 0xf000'0000;
  CHECK(kExporter.Export(request, &bad, sizeof bad).status() == Status::kInvalidArgument);
  request.rights = ~0u;
  CHECK(kExporter.Export(request, good, sizeof good).status() == Status::kInvalidArgument);
  request.rights = kAllRights;
  // One without an entry for calls: nothing comes, and nothing breaks. (This program registered
  // none; a caller would wait, so only a child calls.)
  const auto object = kExporter.Export(request, good, sizeof good);
  CHECK(object.ok());
  const auto child = Fork();
  if (child.ok() && child.value() == 0)
    Exit(EchoStub(object.value()).Null() == Status::kOk ? 1 : 2);
  Sleep(5 * kMs);
  Kill(child.value());
  CHECK(kProcess.CloseHandle(object.value()) == Status::kOk);
  CHECK(Eventually([] { return kExporter.TakeReleased().ok(); }));
  CHECK(kExporter.TakeReleased().status() == Status::kNotFound);
}

constexpr Test kTests[] = {
    {"calls", Calls},
    {"rights", RightsAndHandles},
    {"identity", Identity},
    {"objects", Objects},
    {"recursion", Recursion},
    {"server_ends", ServerEnds},
    {"server_killed", ServerKilled},
    {"callers_killed", CallersKilled},
    {"accounts", Accounts},
    {"names", Names},
    {"messages", Messages},
    {"storm", Storm},
    {"servers_that_call", ServersThatCall},
    {"bad_exports", BadExports},
};

}  // namespace

int Main(std::span<const std::string_view> words) {
  constexpr std::string_view kServe = "serve=", kCalls = "calls=";
  if (words.size() == 3 && words[1].starts_with(kServe) && words[2].starts_with(kCalls))
    return ServeAs(words[1].substr(kServe.size()), words[2].substr(kCalls.size()));
  if (words.size() == 2 && words[1] == "traced")
    Traced();
  return RunTests("call", kTests, words.size() == 1, words.subspan(1));
}

}  // namespace k42::runtime
