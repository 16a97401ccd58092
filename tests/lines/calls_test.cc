// Native calls, of the kernel's objects and of objects that programs serve, on each CPU by
// processes of its own. All of the kernel's C++ from the entry to the exit is counted; the entry in
// assembly (user_entry.S) and the loads of registers are not, as a hosted test has none.
#include <cstdio>

#include "lines/played_calls.h"

namespace k42::test {
namespace {

using machine::TrapFrame;
using proc::ProcessDispatcher;

constexpr machine::CpuId kCpus = CountingProcesses::kCpus;

// A client that has its CPU, and a server there that waits for calls.
class CallLines : public ::testing::Test {
 protected:
  struct Pair {
    ProcessDispatcher* server = nullptr;
    ProcessDispatcher* client = nullptr;
    cobj::ObjectRef served;
    abi::Handle handle = 0;
    std::uint32_t numbers[2] = {};
  };

  CallLines() {
    for (machine::CpuId cpu = 0; cpu < kCpus; ++cpu) {
      Pair& pair = pairs_[cpu];
      pair.server = &Child(cpu, &pair.numbers[0]);
      processes_.Play(cpu, [this, &pair] { Serve(exporter_, &pair.served); });
      pair.client = &Child(cpu, &pair.numbers[1]);
      pair.handle = pair.client->process().handles().Grant(pair.served).value();
      processes_.Play(cpu, [] {});
    }
  }
  ~CallLines() override {
    for (machine::CpuId cpu = 0; cpu < kCpus; ++cpu) {
      machine::hosted::RunOn(cpu, [&] {
        for (const std::uint32_t number : pairs_[cpu].numbers)
          processes_.Find(number).EndRunning(proc::ExitKind::kExited, 0);
      });
    }
  }
  ProcessDispatcher& Child(machine::CpuId cpu, std::uint32_t* number) {
    machine::hosted::RunOn(cpu, [&] { *number = processes_.Spawn(cpu); });
    return processes_.Find(*number).dispatcher();
  }
  // The thread is the client's.
  void Act(machine::CpuId cpu) {
    machine::Thread::Current()->context().user_call = &pairs_[cpu].client->scheduled();
  }
  LineReport Count(const std::function<void(Pair&)>& call) {
    return CountLines(
        kCpus, 2000,
        [&](machine::CpuId cpu, std::uint32_t number) {
          if (number == 0)
            Act(cpu);
          call(pairs_[cpu]);
        },
        100);
  }

  CountingProcesses& processes_ = CountingProcesses::Get();
  proc::Exporter exporter_{processes_.services()};
  Pair pairs_[kCpus];
};

TEST_F(CallLines, OfTheKernelsObjectsShareNone) {
  const LineReport report = Count([](Pair&) {
    TrapFrame frame = {};
    Native(frame, abi::kNodeHandle, proc::NodeMethod::kMonotonicTime);
    EXPECT_EQ(frame.rax, 0u);
  });
  std::printf("native call: %s", report.Text().c_str());
  EXPECT_EQ(report.shared_per_operation, 0) << report.Text();
}

TEST_F(CallLines, OfServersOfTheirOwnShareNone) {
  const LineReport report = Count([](Pair& pair) {
    TrapFrame frame = {};
    frame.rdi = 5;
    Native(frame, pair.handle, 0);
    EXPECT_EQ(ProcessDispatcher::Current(), pair.server);
    EXPECT_EQ(frame.rdi, 5u);
    frame.rdi = frame.rax;  // the call's number
    frame.rsi = 0;
    frame.rdx = 6;
    Native(frame, abi::kDispatcherHandle, abi::DispatcherCall::kReturnCall);
    EXPECT_EQ(ProcessDispatcher::Current(), pair.client);
    EXPECT_EQ(frame.rax, 0u);
    EXPECT_EQ(frame.rdx, 6u);
  });
  std::printf("protected call: %s", report.Text().c_str());
  EXPECT_EQ(report.shared_per_operation, 0) << report.Text();
}

}  // namespace
}  // namespace k42::test
