// Grace: when have all threads that were active at some moment become inactive?
//
// Each CPU has a GenerationCounter. A *local* grace period is two advances of one CPU's generation.
// A *global* one takes the token: it goes round the CPUs, and each holder passes it on after two
// advances of its own. Between two visits of the token to one CPU lie two advances on every CPU, so
// a wait that began before the first visit is over at the second. The token is parked while nobody
// waits.
//
// Threads report by Activate and Deactivate (hooks of the platform); a thread that waits for
// anything outside the node's CPUs is inactive meanwhile. A generation that holds up a wait for
// more than 100 ms is named in the log with its threads and their call chains.
//
// All state of a CPU is touched by that CPU's threads only; the token and waits travel by
// CpuMessage. Waits are called back on the CPU they were started on, in thread context, on its
// event loop, some at a time: a CPU with many of them lets go of the token first, or others would
// have made as many again before the next period is over.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/assert.h"
#include "base/cpu_set.h"
#include "cobj/generation.h"
#include "cobj/token_parking.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/cpu_message.h"
#include "machine/stepped_range.h"
#include "machine/thread.h"
#include "machine/timer.h"
#include "platform/contract/thread_context.h"

namespace k42::cobj {

// One wait. Belongs to whoever starts it, and must live until `done` is called.
struct GraceWait {
  using Done = void (*)(GraceWait*);
  GraceWait* next = nullptr;
  Done done = nullptr;
  std::uint64_t generation = 0;  // local waits: over when the CPU has reached this; global: 0
};

class GraceList {
 public:
  bool empty() const { return first_ == nullptr; }
  void Append(GraceWait* wait);
  GraceWait* PopFront();
  // Takes everything of `other`, keeping order.
  void TakeAll(GraceList& other);

 private:
  GraceWait* first_ = nullptr;
  GraceWait* last_ = nullptr;
};

class Grace {
 public:
  constexpr Grace() = default;

  // `cpu` takes part from now on. Once per CPU, before its first thread becomes active.
  void AddCpu(machine::CpuId cpu);

  // Of the calling thread, on its CPU. Every call of user space passes through both: inline.
  void Activate(machine::ThreadContext& context) {
    const machine::SteppedRange stepped;
    PerCpu& cpu = Here();
    context.thread = machine::Thread::Current();
    context.generation = cpu.generations.Enter();
    if constexpr (kDebugChecks)
      context.active_since = machine::MonotonicNs();
    context.previous_active = nullptr;
    context.next_active = cpu.first_active;
    if (cpu.first_active != nullptr)
      cpu.first_active->previous_active = &context;
    cpu.first_active = &context;
  }
  void Deactivate(machine::ThreadContext& context) {
    const machine::SteppedRange stepped;
    PerCpu& cpu = Here();
    if (context.previous_active != nullptr) [[unlikely]]
      context.previous_active->next_active = context.next_active;
    else
      cpu.first_active = context.next_active;
    if (context.next_active != nullptr)
      context.next_active->previous_active = context.previous_active;
    context.thread = nullptr;
    cpu.generations.Leave(context.generation);
    if (cpu.generations.number() < cpu.needed) [[unlikely]]
      AdvanceAndTell(cpu);
  }

  // Calls wait->done after the threads of this CPU, or of all CPUs, that are active now have become
  // inactive. The caller may be one of them.
  void AfterLocal(GraceWait* wait);
  void AfterGlobal(GraceWait* wait);

  std::uint64_t generation(machine::CpuId cpu) const { return cpus_[cpu].generations.number(); }
  // Nobody waits for a global grace period, or to be called back after one.
  bool idle() const { return parking_.parked(); }
  // Messages the token has cost so far.
  std::uint64_t token_moves() const { return token_moves_.load(std::memory_order_relaxed); }

  // What a debugger may ask, from any CPU and without a lock (cobj/inspect.h).
  struct View {
    std::uint64_t generation;
    std::uint64_t needed;  // somebody waits until the generation is this
    bool token;            // the token is here
  };
  View ViewOf(machine::CpuId cpu) const {
    const PerCpu& state = cpus_[cpu];
    return {state.generations.number(), state.needed, state.token_here};
  }
  // The newest active thread of a CPU; the others hang on it by next_active.
  const machine::ThreadContext* FirstActive(machine::CpuId cpu) const {
    return cpus_[cpu].first_active;
  }

  static constexpr std::uint64_t kStallNs = 100'000'000;
  static constexpr std::uint32_t kPiece = 64;  // waits called back between two other messages

 private:
  struct alignas(64) PerCpu {
    struct Poll : machine::CpuMessage {
      Grace* grace = nullptr;
    };
    GenerationCounter generations;
    std::uint64_t needed = 0;  // the highest generation somebody waits for
    machine::ThreadContext* first_active = nullptr;
    GraceList local;
    GraceList arrived;  // global waits since the token's last visit
    GraceList visited;  // global waits that the token has passed once
    GraceList over;     // waits to be called back
    bool token_here = false;
    std::uint64_t token_generation = 0;  // pass the token on when reached
    bool poll_sent = false;
    Poll poll;
    machine::Timer stall_timer;
    std::uint64_t stall_generation = 0;
  };
  struct Token : machine::CpuMessage {
    Grace* grace = nullptr;
  };

  PerCpu& Here() { return cpus_[machine::CurrentCpu()]; }
  void Need(PerCpu& cpu, std::uint64_t generation);
  static bool Advance(PerCpu& cpu);
  void AdvanceAndTell(PerCpu& cpu);
  void SendPoll(PerCpu& cpu);
  void Poll(PerCpu& cpu);
  void CallBack(PerCpu& cpu);
  void TokenArrives(PerCpu& cpu);
  void PassToken(PerCpu& cpu);
  static void OnStall(void* cpu);

  PerCpu cpus_[machine::kMaxCpus];
  AtomicCpuSet members_;
  TokenParking parking_;
  Token token_;
  std::atomic<std::uint64_t> token_moves_{0};
};

}  // namespace k42::cobj
