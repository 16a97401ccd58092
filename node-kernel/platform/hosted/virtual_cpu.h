// One virtual CPU: who runs, who is ready, messages and timers.
//
// Threads are host threads; `running_` says whose turn it is. A thread that lets go picks the next
// ready one itself and wakes it. Messages and timers are handled by the CPU's loop thread, an
// ordinary thread of this CPU that becomes ready, ahead of the others, when there is something to
// do.
//
// lock_ guards everything here and the scheduling fields of this CPU's threads. Handlers, callbacks
// and thread bodies run without it, but with the CPU.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>

#include "machine/cpu_message.h"
#include "machine/thread.h"
#include "machine/timer.h"

namespace k42::machine {

class VirtualCpu {
 public:
  static VirtualCpu& Of(CpuId cpu);

  Result<Thread*> Create(const char* name, Thread::Entry entry, void* argument);

  // The calling host thread becomes a thread of this CPU and waits for its turn; and back.
  Thread* Adopt(const char* name);
  void Leave(Thread* thread);

  void Block(Thread* thread);
  void Unblock(Thread* thread);
  void Yield(Thread* thread);
  bool AnybodyWaits();

  void Post(CpuMessage* message);
  void Arm(Timer* timer);
  bool Cancel(Timer* timer);

 private:
  static VirtualCpu* All();

  using Guard = std::unique_lock<std::mutex>;

  void MakeReadyLocked(Thread* thread, bool first);
  void RunNextLocked();  // nobody runs now: whose turn is it?
  void WaitForTurn(Guard& guard, Thread* thread);
  void StartLoopLocked();
  void Loop();
  bool LoopHasWorkLocked() const;
  void DrainOnce();

  CpuId id_ = 0;
  std::mutex lock_;
  Thread* running_ = nullptr;
  std::deque<Thread*> ready_;
  // A wake-up may come when its thread has ended (machine/thread.h): the last ones are kept.
  static constexpr std::size_t kMostGone = 1000;
  std::deque<Thread*> gone_;

  Thread* loop_ = nullptr;
  bool loop_started_ = false;
  bool loop_waits_ = false;
  std::condition_variable loop_work_;
  std::deque<CpuMessage*> messages_;
  std::multimap<std::uint64_t, Timer*> timers_;
};

// What a thread does at the begin and end of being active; see platform/contract/thread_context.h.
void Activate(Thread* thread);
void Deactivate(Thread* thread);

}  // namespace k42::machine
