// Kernel threads.
//
// A thread has a 16 KiB stack with a guard page below, belongs to one CPU for life, and is
// cooperative: it loses the CPU only in Block, BlockExternal, Yield, PreemptionPoint and Exit (and
// in what is built on them: Mutex, waiting queues). So per-CPU data needs no lock against other
// threads of the same CPU between those points.
//
// Block and Unblock pass one token (base/wake_token.h). Unblock gives the token to a running thread
// or wakes a blocked one; Block takes the token or waits for it. Tokens do not add up, and a token
// may be left over from an earlier wait: always block in a loop around the condition waited for.
// What the caller of Unblock wrote before, the thread sees when it looks next.
//
// States:  ready -> running -> blocked -> ready ...; running -> gone (Exit).
// Lifetime: a Thread* is valid until Exit. Unblock may come just after: whoever granted what the
// thread waited for may find it gone, and its token then is at worst a stray one for the thread
// that has its memory next (stacks are reused as such, never unmapped).
#pragma once

#include <array>
#include <cstdint>

#include "base/result.h"
#include "base/wake_token.h"
#include "machine/cpu_message.h"
#include "machine/lock_checks.h"
#include "platform/contract/thread_context.h"
#include "platform/contract/types.h"

namespace k42::machine {

[[noreturn]] void ReturnToLoop();  // user_mode.h

class Thread {
 public:
  using Entry = void (*)(void*);

  // Makes a thread on `cpu`, ready to run. `name` must live as long as the thread. Thread context.
  static Result<Thread*> Create(const char* name, Entry entry, void* argument, CpuId cpu);

  static Thread* Current() {
    Thread* thread;
    asm("movq %%gs:24, %0" : "=r"(thread));
    return thread;
  }

  // Waits for the token. Thread context, interrupts on, no spin lock held.
  static void Block();

  // Block for something outside this node's CPUs (device, link, long timer, user space): the thread
  // is not active meanwhile, so every pointer to a rep that the caller holds is stale afterwards.
  static void BlockExternal();

  // Calls of a dispatcher about itself are served by threads that are not active: those few that
  // reach into others' memory after all begin with this.
  static void BecomeActive();

  // Gives the token. Any context, any CPU.
  void Unblock();

  // Lets the CPU's ready threads and interrupt work run first, then goes on.
  static void Yield();

  // Yield if anything waits; cheap if not. At most 100 us of work between two of these.
  static void PreemptionPoint();

  [[noreturn]] static void Exit();

  const char* name() const { return name_; }
  CpuId cpu() const { return cpu_; }
  std::uint64_t id() const { return id_; }
  ThreadContext& context() { return context_; }

  // In Block, and nobody has woken it. Of a thread of this CPU.
  bool IsBlocked() const { return wake_.blocked(); }

  // Logs what the thread does and where it stands, line by line. On its own CPU, or where nothing
  // moves any more; of a thread that runs elsewhere only that it does.
  void LogCallChain() const;

 private:
  friend class Scheduler;  // scheduler.h: the CPU's side of this
  friend void ReturnToLoop();
  friend struct ThreadLocks;
  Thread() = default;

  static void OnWakeMessage(CpuMessage* message);

  std::uint64_t saved_rsp_ = 0;  // while not running
  std::uint64_t stack_top_ = 0;
  std::uint64_t stack_bottom_ = 0;  // the guard page ends here
  WakeToken wake_;
  CpuId cpu_ = 0;
  bool is_pool_ = false;    // serves the CPU loop and user space
  bool active_ = false;     // between the activate and deactivate hooks
  Thread* next_ = nullptr;  // in the run queue, the pool or the list of dead threads
  const char* name_ = "";
  std::uint64_t id_ = 0;
  Entry entry_ = nullptr;
  void* argument_ = nullptr;
  CpuMessage wake_message_;  // carries a cross-CPU Unblock
  ThreadContext context_;
  std::array<HeldLock, 8> held_{};  // blocking locks; debug kernels (lock_checks.cc)
  std::uint32_t held_count_ = 0;
};

}  // namespace k42::machine
