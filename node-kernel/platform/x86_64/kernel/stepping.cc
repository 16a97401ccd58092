#include "stepping.h"

#include <atomic>

#include "lapic.h"
#include "machine/cpu.h"
#include "machine/stepped_range.h"
#include "scheduler.h"

namespace k42::machine {
namespace {

constexpr std::uint64_t kTrapFlag = 0x100;
// Were every pass stepped, nothing would get on: the way back to user code has ranges itself. Odd
// numbers, so that what repeats is hit in other places each time.
constexpr std::uint32_t kPassesBetween = 13;
constexpr std::uint32_t kReturnsBetween = 5;

// n goes round.
struct Steps {
  std::uint32_t left = 0;
  std::uint32_t turn = 0;

  void Start(std::uint32_t most) {
    turn = turn % most + 1;
    left = turn;
  }
  bool Last() { return left == 0 || --left == 0; }
};

// The CPU's own.
struct Stepping {
  Steps kernel, user;
  bool stepped = false;     // a step of kernel code may come
  std::uint32_t depth = 0;  // ranges within ranges
  std::uint32_t passes = 0, returns = 0;
};

constinit Stepping cpus[kMaxCpus] = {};
constinit std::atomic<std::uint32_t> most{0};
constinit std::atomic<std::uint64_t> interrupts{0}, upcalls{0};

}  // namespace

void SetInjection(std::uint32_t most_instructions) {
  most.store(most_instructions, std::memory_order_relaxed);
}
std::uint32_t Injection() {
  return most.load(std::memory_order_relaxed);
}
std::uint64_t InjectedInterrupts() {
  return interrupts.load(std::memory_order_relaxed);
}
std::uint64_t InjectedUpcalls() {
  return upcalls.load(std::memory_order_relaxed);
}

void SteppedRange::Begin() {
  const std::uint32_t limit = Injection();
  if (limit == 0) {
    return;
  }
  counted_ = true;
  Stepping& cpu = cpus[CurrentCpu()];
  if (cpu.depth++ == 0 && ++cpu.passes % kPassesBetween == 0) {
    cpu.kernel.Start(limit);
    cpu.stepped = true;
    asm volatile("pushfq; orq %0, (%%rsp); popfq" ::"i"(kTrapFlag) : "memory", "cc");
  }
}

void SteppedRange::End() {
  if (!counted_) {
    return;
  }
  Stepping& cpu = cpus[CurrentCpu()];
  if (--cpu.depth == 0 && cpu.stepped) {
    asm volatile("pushfq; andq %0, (%%rsp); popfq" ::"i"(~static_cast<std::int64_t>(kTrapFlag))
                 : "memory", "cc");
  }
}

bool OnStep(TrapFrame* frame) {
  // The instruction that clears the flag is the last that is stepped.
  const bool over = (frame->rflags & kTrapFlag) == 0;
  Stepping& cpu = cpus[CurrentCpu()];
  if (!frame->from_user()) {
    const bool ours = cpu.stepped;
    if (over) {
      cpu.stepped = false;
    } else if (cpu.kernel.Last()) {
      cpu.stepped = false;
      frame->rflags &= ~kTrapFlag;
      interrupts.fetch_add(1, std::memory_order_relaxed);
      SendIpiFromTrap(CurrentCpu(), kVectorTimer);
    }
    return ours;
  }
  if (Injection() == 0) {
    return false;  // the program's own
  }
  if (!over && cpu.user.Last()) {
    frame->rflags &= ~kTrapFlag;
    if (Scheduler::hooks().inject != nullptr) {
      upcalls.fetch_add(1, std::memory_order_relaxed);
      Scheduler::hooks().inject();
    }
  }
  return true;
}

void ForgetUserSteps(TrapFrame* frame) {
  if (Injection() != 0) {
    frame->rflags &= ~kTrapFlag;
  }
}

void StepUser(TrapFrame* frame) {
  const std::uint32_t limit = Injection();
  if (limit == 0) {
    return;
  }
  Stepping& cpu = cpus[CurrentCpu()];
  if (++cpu.returns % kReturnsBetween == 0) {
    cpu.user.Start(limit);
    frame->rflags |= kTrapFlag;
  }
}

}  // namespace k42::machine
