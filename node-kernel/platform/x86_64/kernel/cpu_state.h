// What the platform keeps per CPU beyond the words that assembly reaches (CpuArea).
#pragma once

#include <array>
#include <cstdint>

#include "base/mpsc_stack.h"
#include "machine/cpu_area.h"
#include "machine/cpu_message.h"
#include "segments.h"
#include "timer_queue.h"

namespace k42::machine {

class Thread;
struct AnswerWait;

// Bits of CpuArea::work: what interrupt handlers leave for thread context.
inline constexpr std::uint32_t kWorkMessages = 1 << 0;
inline constexpr std::uint32_t kWorkTimer = 1 << 1;

struct alignas(64) CpuState {
  // Any CPU pushes; the owner takes.
  MpscStack<CpuMessage, &CpuMessage::next> messages;

  // Owner only, with interrupts off: handlers on this CPU make threads ready too.
  alignas(64) Thread* ready_first = nullptr;
  Thread* ready_last = nullptr;

  // Owner only, thread context.
  CpuMessage* batch = nullptr;  // taken from `messages`, oldest first, handlers not yet started
  Thread* idle_pool = nullptr;  // parked pool threads
  Thread* dead = nullptr;       // exited; their stacks wait for reuse
  TimerQueue timers;
  AnswerWait* waits = nullptr;  // of this CPU's threads for other CPUs

  TaskState task_state = {};
  std::uint64_t descriptors[7] = {};
};

CpuState& StateOf(CpuId cpu);
inline CpuState& ThisCpuState() {
  return *ThisCpuArea()->state;
}

}  // namespace k42::machine
