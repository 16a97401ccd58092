// CpuSteps: run a step on each CPU of a set, in parallel, by message; and wait until all have
// reported.
//
// A step may report at once (return true) or later, from its own CPU, by Report. The waiting thread
// is inactive meanwhile (BlockExternal): grace periods go on. The last report comes home as a
// message, so that nobody touches the waiting thread, or this object, after Wait has returned true.
// After a timeout the object must live until no report can come any more: Settle when that is so,
// or Leave, if the reports will come, but nobody knows when.
#pragma once

#include <cstdint>

#include "base/cpu_set.h"
#include "cobj/count_down.h"
#include "machine/cpu.h"
#include "machine/cpu_message.h"
#include "machine/thread.h"
#include "machine/timer.h"

namespace k42::cobj {

class CpuSteps {
 public:
  using Step = bool (*)(void* argument, machine::CpuId cpu);

  // Thread context, on one CPU for the object's life; the previous round is over.
  void Start(CpuSet cpus, Step step, void* argument);
  void Report();
  // False: `deadline_ns` (0: none) came first.
  bool Wait(std::uint64_t deadline_ns = 0);
  // No report will come any more: takes in a last one that is on its way.
  void Settle();
  // Nobody waits any more. `last` runs when all have reported, at once or on this CPU later: from
  // then on nobody touches the object, so it may free it.
  void Leave(void (*last)(void* argument), void* argument);

 private:
  struct Message : machine::CpuMessage {
    CpuSteps* steps = nullptr;
  };
  static void Run(machine::CpuMessage* message);
  static void ComeHome(machine::CpuMessage* message);

  machine::Thread* waiter_ = nullptr;
  Step step_ = nullptr;
  void* argument_ = nullptr;
  void (*last_call_)(void*) = nullptr;
  void* last_argument_ = nullptr;
  CountDown pending_;
  machine::CpuId home_ = 0;
  bool done_ = true;  // these two belong to the home CPU
  bool timed_out_ = false;
  Message last_;
  Message messages_[machine::kMaxCpus];
};

}  // namespace k42::cobj
