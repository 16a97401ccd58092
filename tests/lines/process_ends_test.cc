// A process ends on its CPU while another CPU, which stands still there, is inside one of its
// dispatchers without having come through the process's object. In this build because only here a
// CPU can be stopped at a certain write (Halt).
#include <chrono>
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

}  // namespace
}  // namespace k42::test
