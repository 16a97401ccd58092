// A Linux thread: the unit the personality schedules.
//
// `regs` holds the program's registers whenever the thread is not running program code, saved by
// the entry assembly and loaded by the leave range, which reads nothing else: the leave range may
// be restarted by the kernel at any instruction, so everything it loads must stay here unchanged.
//
// Each thread has a personality stack. It is empty while the thread runs its program; entry starts
// at its top. A thread that waits inside the personality is a stack with a saved stack pointer.
//
// Vector registers are not touched by the personality, so they stay in the machine until another
// thread goes to its program (vector_state.h): `vector` is valid when the thread does not own them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/dispatcher_page.h"
#include "user/linux/list.h"
#include "user/linux/signal_state.h"

namespace k42::personality {

struct Task;

enum class Wake : std::uint8_t { kEvent, kTimeout, kSignal };

// Of the stack and the record above it: what a call touches of both is mostly one page, which a
// start need not fault in twice and a fork need not copy twice.
inline constexpr std::size_t kThreadSize = 32 * 1024;

// memory_policy.cc.
struct MemoryPolicy {
  std::uint32_t mode;
  std::uint64_t nodes;
};

struct Thread {
  // -- reached by entry.S; offsets asserted below --
  abi::UserState regs;         // 0: also what kResume takes
  std::uint64_t stack_top;     // 160: top of the personality stack
  std::uint64_t switch_stack;  // 168: stack pointer while switched away
  // 176: nonzero: leave as sysret would (RCX, R11 clobbered); else by kResume.
  std::uint64_t fast_leave;

  Task* task;
  std::int32_t tid;
  std::uint32_t dispatcher;  // index of the dispatcher it runs on, is ready on, or was on last

  // Scheduling.
  ListLink<Thread> run_link;   // ready queue
  ListLink<Thread> task_link;  // threads of the task
  ListLink<Thread> wait_link;  // futex or other queue it waits on
  bool blocked;
  bool interruptible;
  Wake wake;
  std::uint64_t wait_key;   // futex address
  std::uint32_t wait_bits;  // futex bit set

  // Signals.
  ThreadSignals signals;
  bool exit_requested;       // the task ends, or execs in another thread: leave at the next exit
  bool must_move;            // its affinity may not allow the dispatcher it is on
  bool keeps_dispatcher;     // no other may take it now
  std::int64_t system_call;  // number while a call is served, -1 else (decides restarts)
  std::uint64_t first_argument_rax;
  std::uint64_t kept_deadline_ns;  // of a call that starts again (call_support.h); 0: none

  std::uint64_t trap_number, trap_error, trap_address;  // of the last fault, for signal frames

  // Linux's per-thread words.
  std::uint64_t clear_child_tid;
  std::uint64_t robust_list;
  std::uint64_t parent_death_signal;
  std::uint64_t affinity;
  MemoryPolicy policy;
  char name[16];

  std::uint32_t call_ticket;  // for calls that end by a ticket
  bool vector_saved;          // `vector` holds this thread's state
  std::uint64_t cpu_ns;       // used until it last lost a dispatcher (Dispatcher::CpuNs)

  alignas(64) unsigned char vector[abi::kVectorStateSize];
};

static_assert(offsetof(Thread, stack_top) == 160);
static_assert(offsetof(Thread, switch_stack) == 168);
static_assert(offsetof(Thread, fast_leave) == 176);

// A record with its personality stack, whose first switch-in calls `start` (which never returns).
// Null: no memory.
Thread* NewThread(void (*start)());
// The same, a thread of the task.
Thread* CreateThread(Task* task, std::int32_t tid, void (*start)());
// Frees it. Not the running thread: that one goes through Dispatcher::Exit.
void DestroyThread(Thread* thread);

}  // namespace k42::personality
