// A process ends on its CPU while another CPU, which stands still there, is inside one of its
// dispatchers without having come through the process's object. In this build because only here a
// CPU can be stopped at a certain write (Halt).
#include <chrono>
#include <functional>
#include <thread>

#include "lines/played_calls.h"

namespace k42::test {
namespace {

using proc::ProcessDispatcher;

class ProcessEnds : public ::testing::Test {
 protected:
  void SetUp() override {
    EXPECT_TRUE(Eventually([] { return Disposed() == Destroyed(); }));
  }
  // It is there until the other CPU is through.
  void EndDuring(std::uint32_t number, Halt& halt) {
    const std::uint64_t before = Disposed();
    processes_.End(0, number);
    for (int i = 0; i < 2000; ++i) Turn();
    EXPECT_EQ(Disposed(), before) << "gone, with another CPU inside";
    halt.Go();
    EXPECT_TRUE(Eventually([before] { return Disposed() > before; }));
  }
  std::uint32_t Child(machine::CpuId cpu) {
    std::uint32_t number = 0;
    machine::hosted::RunOn(cpu, [&] { number = processes_.Spawn(cpu); });
    return number;
  }
  ProcessDispatcher& Find(std::uint32_t number) { return processes_.Find(number).dispatcher(); }
  static void Join(std::thread& thread) {
    const machine::hosted::WithoutCpu without;
    thread.join();
  }

  CountingProcesses& processes_ = CountingProcesses::Get();

 private:
  static std::uint64_t Disposed() { return cobj::node_objects->counts().disposed; }
  static std::uint64_t Destroyed() { return cobj::node_objects->counts().destroyed; }
  static void Turn() {
    cobj::QuietPoint();
    machine::Thread::Yield();
  }
  template <typename Condition>
  static bool Eventually(Condition condition) {
    for (int i = 0; i < 20'000; ++i) {
      if (condition())
        return true;
      Turn();
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return false;
  }
};

TEST_F(ProcessEnds, AfterAFiring) {
  const std::uint32_t number = Child(0);
  ProcessDispatcher& dispatcher = Find(number);
  const cobj::Ticket ticket = {dispatcher.sink(), dispatcher.Arm(5).value()};
  abi::DispatcherPage* const page = dispatcher.scheduled().page();
  Halt halt(1, &page->pending, sizeof(page->pending));
  std::thread firing([&] {
    const machine::hosted::OnCpu on(1);
    EXPECT_EQ(ticket.Fire(Status::kOk, 0), Status::kOk);
  });
  halt.AwaitReached();
  EndDuring(number, halt);
  Join(firing);
}

// A server and a caller, one on this CPU and one on the next.
class CallEnds : public ProcessEnds {
 protected:
  void Start(machine::CpuId server_cpu, machine::CpuId client_cpu) {
    server_ = Child(server_cpu);
    On(server_cpu, [&] { processes_.Play(server_cpu, [&] { Serve(exporter_, &served_); }); });
    client_ = Child(client_cpu);
    handle_ = Find(client_).process().handles().Grant(served_).value();
  }
  // From another CPU than this one.
  static void On(machine::CpuId cpu, const std::function<void()>& work) {
    if (cpu == machine::CurrentCpu())
      work();
    else
      machine::hosted::RunOn(cpu, work);
  }
  void Call(machine::CpuId cpu) {
    processes_.Play(cpu, [this] {
      machine::TrapFrame frame = {};
      Native(frame, handle_, 0);
    });
  }
  void Answer(machine::CpuId cpu) {
    processes_.Play(cpu, [this] {
      machine::TrapFrame frame = {};
      frame.rdi = Find(server_).calls().serving()->number;
      Native(frame, abi::kDispatcherHandle, abi::DispatcherCall::kReturnCall);
    });
  }

  proc::Exporter exporter_{processes_.services()};
  std::uint32_t server_ = 0;
  std::uint32_t client_ = 0;
  cobj::ObjectRef served_;
  abi::Handle handle_ = 0;
};

// The call has been queued; the server is not told yet.
TEST_F(CallEnds, AfterACallFromAnotherCpu) {
  Start(0, 1);
  const sched::Dispatcher& told = Find(server_).scheduled();
  Halt halt(1, &told, sizeof(told));
  std::thread caller([&] {
    const machine::hosted::OnCpu on(1);
    Call(1);
  });
  halt.AwaitReached();
  EndDuring(server_, halt);
  Join(caller);
  machine::hosted::RunOn(1, [&] { processes_.End(1, client_); });
}

// The call has been ended; its caller is not told yet.
TEST_F(CallEnds, AfterAnAnswerFromAnotherCpu) {
  Start(1, 0);
  Call(0);
  const sched::Dispatcher& told = Find(client_).scheduled();
  Halt halt(1, &told, sizeof(told));
  std::thread server([&] {
    const machine::hosted::OnCpu on(1);
    Answer(1);
  });
  halt.AwaitReached();
  EndDuring(client_, halt);
  Join(server);
  machine::hosted::RunOn(1, [&] { processes_.End(1, server_); });
}

}  // namespace
}  // namespace k42::test
