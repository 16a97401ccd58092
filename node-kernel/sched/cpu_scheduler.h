// CpuScheduler: which dispatcher a CPU runs, one object per CPU, used by that CPU's threads only.
//
// The platform's CPU loop calls RunUser when no kernel thread is ready, and BeforeUser on every way
// back to user space. Between the two, `current_` is the dispatcher to which the CPU belongs. If
// its kernel thread blocks, the loop comes to RunUser while it is still current: it is then
// kInKernel, and when its thread returns through BeforeUser it queues up again.
//
// Registers that the kernel does not use (vector, %fs base) stay in the machine with their *owner*
// until another dispatcher is loaded: a call, a trap, even a wait that nobody interrupted costs no
// save.
//
// Preemption: when the running dispatcher has used up its quantum and another of its band (or an
// earlier one) is ready, it first gets kEventPreempt and kPreemptGrace to call kYield (soft); then
// it is stopped wherever it is (hard). Dispatchers without entries get no grace. A woken dispatcher
// of an earlier band, or of much less usage, is such a competitor at once.
//
// Protected calls hand the CPU from one dispatcher to another within one native call: no queue, no
// clock, no new thread. Time is charged to `payer_`, which then stays what it is: the first caller.
//
// Locking: none; interrupts are off where current_ and the machine's registers must agree.
#pragma once

#include <atomic>
#include <cstdint>

#include "machine/cpu.h"
#include "machine/timer.h"
#include "machine/trap_frame.h"
#include "platform/contract/types.h"
#include "sched/dispatcher.h"
#include "sched/run_queue.h"

namespace k42::sched {

class alignas(64) CpuScheduler {
 public:
  static CpuScheduler& Of(machine::CpuId cpu);
  static CpuScheduler& Here();
  // The same, where user code of this CPU has run before.
  static CpuScheduler& InUse() { return Of(machine::CurrentCpu()); }

  // The allowed CPU with the fewest dispatchers that want to run; this one among equals.
  static machine::CpuId LeastLoaded(std::uint64_t allowed);

  // For machine::UserHooks.
  static void OnRunUser();
  static bool OnOwnsCpu();
  static void OnInject();
  static void OnBeforeUser(machine::TrapFrame* frame);

  // On behalf of the current dispatcher, from its call or trap. Those that give up the CPU do not
  // return: the dispatcher goes on later with what is in the frame.
  [[noreturn]] void Wait(machine::TrapFrame* frame, std::uint32_t wakes_on,
                         std::uint64_t deadline_ns);
  // Returns if nobody else may have the CPU.
  void Yield(machine::TrapFrame* frame);
  // It ends here and now, whatever is in the frame.
  [[noreturn]] void EndCurrent();
  // It gives up the CPU, and whatever is in the frame, until it is admitted again.
  [[noreturn]] void Park();
  // The CPU goes on with what user_state() of the current dispatcher says.
  [[noreturn]] void Restart();

  void Apply(Dispatcher& dispatcher, std::uint32_t requests);

  // -- for protected calls; interrupts off, on the dispatchers' CPU --
  // `from`, the current dispatcher, whose code has been put away, is idle; `to`, which was idle,
  // has the CPU, on `payer`'s time. What it goes on with is in the present frame when this call
  // returns to user space. In hand_over.h.
  void HandOver(Dispatcher& from, Dispatcher& to, Entity& payer);
  // The same, and nobody has the CPU. Its own dispatcher need not be current any more.
  [[noreturn]] void GoIdle();
  // If it is idle and has something to do by now, it is ready.
  void WakeIdle(Dispatcher& dispatcher);
  // What `from` pays for is paid by `to`, which pays for nothing, from now on.
  void ChangePayer(Entity& from, Entity& to);
  // Its thread has little left to do before it goes idle, and nobody pays for that: whose time it
  // has run on may go now. The present dispatcher, wherever its CPU is.
  void LeavePayer(Dispatcher& dispatcher);

  // Of a dispatcher of this CPU, wherever it is now.
  std::uint64_t FsBaseOf(const Dispatcher& dispatcher) const;
  // The machine's registers and tables may be another's by now: its thread may have waited.
  void SetFsBaseOf(Dispatcher& dispatcher, std::uint64_t base);
  void ShowEntry(const Dispatcher& dispatcher);

  Dispatcher* current() const { return current_; }
  std::uint32_t load() const { return load_.load(std::memory_order_relaxed); }
  std::uint64_t switches() const { return switches_.load(std::memory_order_relaxed); }
  // How long it has run dispatchers, up to `now_ns`.
  std::uint64_t busy_ns(std::uint64_t now_ns) const { return busy_.Ns(now_ns); }

 private:
  void RunUser();
  void BeforeUser(machine::TrapFrame* frame);
  void SetState(Dispatcher& dispatcher, Dispatcher::State state);
  void MakeReady(Dispatcher& dispatcher);
  void Finish(Dispatcher& dispatcher);
  void Close(Dispatcher& dispatcher);
  void LeaveCurrent(machine::TrapFrame* frame, Dispatcher::State state);
  void TakeCpu(Dispatcher& dispatcher);
  void BeginTurn(Dispatcher& dispatcher, Entity& payer);
  // Those registers of a dispatcher that live in this CPU: its owner's to memory, its from memory.
  void LoadRegisters(Dispatcher& dispatcher);
  [[noreturn]] void Enter(Dispatcher& dispatcher);
  [[noreturn]] void ToLoop();
  void Charge(Entity& payer, std::uint64_t now_ns);
  void Enqueue(Dispatcher& dispatcher);
  void Dequeue(Dispatcher& dispatcher);
  void GiveUpCpu();
  static void TellUse(Dispatcher& dispatcher);
  void ConsiderPreemption();
  void OnQuantum();

  machine::CpuId cpu_ = 0;
  bool started_ = false;
  bool grace_given_ = false;  // kEventPreempt was posted to current_
  RunQueue queue_;
  Dispatcher* current_ = nullptr;
  Entity* payer_ = nullptr;      // with current_: on whose time it runs
  Dispatcher* owner_ = nullptr;  // whose vector state and %fs base are in the machine
  std::uint64_t since_ns_ = 0;   // current_ was charged up to here
  std::uint64_t turn_began_ns_ = 0;
  machine::Timer quantum_timer_;
  std::atomic<std::uint32_t> load_{0};
  std::atomic<std::uint64_t> switches_{0};
  CpuAccount busy_;
};

// No static constructors: each CPU makes its own at its first turn (and others see zeros until).
extern constinit unsigned char cpu_schedulers[machine::kMaxCpus][sizeof(CpuScheduler)];

inline CpuScheduler& CpuScheduler::Of(machine::CpuId cpu) {
  return *reinterpret_cast<CpuScheduler*>(cpu_schedulers[cpu]);
}

}  // namespace k42::sched
