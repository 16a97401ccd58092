// Real processes in the counted build, whose program is never run: what one would do in user mode a
// test does for it, with a frame of its own. Each CPU has a first process with a family of its own,
// which is stopped; its children stay on that CPU.
#pragma once

#include <array>
#include <atomic>
#include <cstring>
#include <functional>

#include "abi/native_call.h"
#include "lines/counting_node.h"
#include "machine/interrupts.h"
#include "machine/user_mode.h"
#include "proc/exporter.dispatch.h"
#include "proc/exporter.h"
#include "proc/node.dispatch.h"
#include "proc/node_object.h"
#include "proc/process.h"
#include "proc/user_calls.h"
#include "sched/cpu_scheduler.h"

namespace k42::test {

class CountingProcesses {
 public:
  static constexpr machine::CpuId kCpus = CountingNode::kCpus;

  static CountingProcesses& Get() {
    static CountingProcesses* const processes = new CountingProcesses;
    return *processes;
  }

  proc::ProcessServices& services() { return services_; }
  proc::Process& first(machine::CpuId cpu) { return *first_[cpu]; }
  static cobj::CallContext CallOf(proc::Process& process) {
    cobj::CallContext caller = cobj::CallContext::Kernel();
    caller.handles = &process.handles();
    caller.process = process.self().bits();
    caller.process_id = process.main_task();
    return caller;
  }
  // Of the CPU's first process; on that CPU. The program's state is where it begins.
  std::uint32_t Spawn(machine::CpuId cpu) {
    return first(cpu)
        .Spawn(CallOf(first(cpu)), {}, BufferIn::Kernel(nullptr, 0), BufferIn::Kernel(nullptr, 0))
        .value();
  }
  std::uint32_t Fork(machine::CpuId cpu) {
    const abi::UserState state = first(cpu).dispatcher().scheduled().user_state();
    proc::ForkRequest request = {};
    request.state = reinterpret_cast<std::uint64_t>(&state);
    return first(cpu).ForkCopy(CallOf(first(cpu)), request).value();
  }
  proc::Process& Find(std::uint32_t number) {
    proc::Process* process = nullptr;
    EXPECT_EQ(services_.tasks.Visit(number, 0,
                                    [&](proc::Task& task) {
                                      process = static_cast<proc::Process*>(task.host);
                                      return Status::kOk;
                                    }),
              Status::kOk);
    return *process;
  }
  // Ends a child of the CPU's first process, as if it had said so, and waits for it there.
  void End(machine::CpuId cpu, std::uint32_t number) {
    Find(number).EndRunning(proc::ExitKind::kExited, 0);
    while (ended_[cpu].number.load(std::memory_order_acquire) != number) {
      cobj::QuietPoint();
      machine::Thread::Yield();
    }
    proc::WaitRequest request = {};
    request.selector = proc::Selector::kTask;
    request.id = number;
    request.flags = proc::kWaitExited;
    proc::WaitResult found;
    EXPECT_EQ(services_.tasks.Wait(first(cpu).main_task(), request, {}, &found), Status::kOk);
  }

  // The dispatcher that is ready on that CPU gets it, and `code` runs in its place. When it comes
  // back the dispatcher is still the CPU's.
  void Play(machine::CpuId cpu, std::function<void()> code) {
    Player& player = players_[cpu];
    player.code = std::move(code);
    player.over.store(false);
    EXPECT_TRUE(machine::Thread::Create(
                    "user",
                    [](void*) {
                      for (;;) {
                        sched::CpuScheduler::OnRunUser();
                        machine::Thread::Yield();
                      }
                    },
                    nullptr, cpu)
                    .ok());
    while (!player.over.load()) machine::Thread::Yield();
  }

 private:
  struct Player {
    std::function<void()> code;
    std::atomic<bool> over{false};
  };
  struct alignas(64) Ended {
    std::atomic<std::uint32_t> number{0};
  };
  // A program of one page, that is an infinite loop.
  struct Program {
    std::uint8_t header[64] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    std::uint8_t segment[56] = {};
    std::uint8_t code[8] = {0xeb, 0xfe};

    Program() {
      Put16(16, 2), Put16(18, 62), Put16(54, 56), Put16(56, 1);
      const std::uint64_t entry = abi::kImageBase + 120;
      std::memcpy(&header[24], &entry, 8);
      header[32] = 64;
      segment[0] = 1, segment[4] = 5;  // loaded, to be read and run
      std::memcpy(&segment[16], &abi::kImageBase, 8);
      segment[32] = segment[40] = sizeof(Program);
    }
    void Put16(unsigned at, std::uint8_t value) { header[at] = value; }
  };

  CountingProcesses() : services_(CountingNode::Get().services, CountingNode::Get().heap) {
    proc::node_processes = &services_;
    machine::played_user_mode.enter = [](const machine::TrapFrame&) {
      Get().players_[machine::CurrentCpu()].code();
      StopPlaying();
    };
    machine::played_user_mode.leave = StopPlaying;
    services_.time_page = mem::FcmPinned::Create(services_.memory, 1).value();
    services_.time_page->MakePermanent();
    services_.process_ended = [](std::uint32_t number, proc::ExitKind, std::uint32_t) {
      Get().ended_[machine::CurrentCpu()].number.store(number, std::memory_order_release);
    };
    const auto node = cobj::MakeShared<proc::NodeObject>(services_, "counted", 0u).value();
    services_.fixed[abi::kNodeHandle] = {node.bits(), kAllRights, &proc::kNodeInfo};
    EXPECT_EQ(
        services_.images.Add(services_.memory, "loop", std::as_bytes(std::span(&kProgram, 1))),
        Status::kOk);
    for (machine::CpuId cpu = 0; cpu < kCpus; ++cpu)
      machine::hosted::RunOn(cpu, [this, cpu] { StartFirst(cpu); });
  }
  void StartFirst(machine::CpuId cpu) {
    const std::uint32_t number = proc::Process::StartFirst(services_, *services_.images.Get(1),
                                                           BufferIn::Kernel(nullptr, 0), {}, true)
                                     .value();
    first_[cpu] = &Find(number);
    EXPECT_EQ(first(cpu).dispatcher().scheduled().cpu(), cpu);
    proc::Schedule schedule = {};
    schedule.cpus = std::uint64_t{1} << cpu;
    schedule.band = static_cast<std::uint32_t>(first(cpu).dispatcher().scheduled().band);
    EXPECT_EQ(first(cpu).SetSchedule(CallOf(first(cpu)), 0, schedule), Status::kOk);
  }
  [[noreturn]] static void StopPlaying() {
    machine::EnableInterrupts();
    Get().players_[machine::CurrentCpu()].over.store(true);
    machine::Thread::Exit();
  }

  static inline const Program kProgram;
  Player players_[kCpus];
  Ended ended_[kCpus];
  proc::ProcessServices services_;
  std::array<proc::Process*, kCpus> first_{};
};

}  // namespace k42::test
