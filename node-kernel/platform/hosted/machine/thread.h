// Kernel threads as host threads, each bound to a virtual CPU that runs one of them at a time.
// Interface and promises: platform/x86_64/kernel/machine/thread.h.
#pragma once

#include <condition_variable>
#include <cstdint>

#include "base/result.h"
#include "base/wake_token.h"
#include "machine/cpu_message.h"
#include "platform/contract/thread_context.h"
#include "platform/contract/types.h"

namespace k42::machine {

class VirtualCpu;

class Thread {
 public:
  using Entry = void (*)(void*);

  static Result<Thread*> Create(const char* name, Entry entry, void* argument, CpuId cpu);
  static Thread* Current();  // null on a host thread without virtual CPU
  static void Block();
  static void BlockExternal();
  static void BecomeActive() {}  // always are
  void Unblock();
  static void Yield();
  static void PreemptionPoint();
  [[noreturn]] static void Exit();

  const char* name() const { return name_; }
  CpuId cpu() const { return cpu_; }
  std::uint64_t id() const { return id_; }
  ThreadContext& context() { return context_; }
  void LogCallChain() const;  // only whether it runs: a host thread's stack is its own

 private:
  friend class VirtualCpu;
  Thread(const char* name, CpuId cpu);

  WakeToken wake_;  // both under the virtual CPU's lock
  std::condition_variable turn_;
  const char* name_;
  CpuId cpu_;
  std::uint64_t id_;
  ThreadContext context_;
};

}  // namespace k42::machine
