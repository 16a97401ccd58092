// WorkerPool: threads on which work may wait. Each CPU has its own few threads, made when there is
// more work than threads, up to kMaxThreads; what exceeds them queues, bounded by its submitters
// (a process has at most kMaxCallsPerProcess calls on the way).
//
// All of them may wait for one program, and for long: a file server that does not answer. The end
// of a process must not queue behind that, not least because that program's own end is what they
// wait for then. Such work goes first, and if no thread is free for it there is one in reserve that
// does nothing else.
//
// Work runs on the CPU where it was submitted, as an ordinary kernel thread: active in the sense of
// generations except while it waits by BlockExternal.
#pragma once

#include <cstdint>

#include "base/intrusive_queue.h"
#include "base/status.h"
#include "machine/thread.h"

namespace k42::ipc {

inline constexpr std::uint32_t kMaxCallsPerProcess = 128;

// Belongs to the pool from Submit until `run` is called, which may free it.
struct Work : QueueLink<> {
  void (*run)(Work*) = nullptr;
};

class alignas(64) WorkerPool {
 public:
  static constexpr std::uint32_t kMaxThreads = 16;  // per CPU

  static WorkerPool& Here();

  // Thread context. kNoMemory: no thread could be made, and there is none.
  Status Submit(Work* work);
  // The same, for what must not wait until others' work is done.
  Status SubmitFirst(Work* work);

 private:
  struct Idle {
    machine::Thread* thread;
    Idle* next;
  };

  Status Provide();
  void CallReserve();
  static void Wake(Idle*& idle);
  // What a thread of that list does.
  void Serve(Idle*& idle);

  IntrusiveQueue<Work> first_;
  IntrusiveQueue<Work> queue_;
  Idle* idle_ = nullptr;
  std::uint32_t threads_ = 0;
  Idle* idle_reserve_ = nullptr;
  bool has_reserve_ = false;
};

}  // namespace k42::ipc
