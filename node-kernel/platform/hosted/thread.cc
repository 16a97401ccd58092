#include "machine/thread.h"

#include <atomic>

#include "base/assert.h"
#include "machine/interrupts.h"
#include "machine/lock_checks.h"
#include "machine/log.h"
#include "machine/timer.h"
#include "virtual_cpu.h"

namespace k42::machine {

namespace {
std::atomic<std::uint64_t> next_thread_id{1};
ActivityHooks activity_hooks;
}  // namespace

namespace detail {
constinit thread_local bool interrupts_on = true;
}

void SetActivityHooks(const ActivityHooks& hooks) {
  activity_hooks = hooks;
  // The threads that already run (the main thread of a test) become active under the new rule.
  if (hooks.activate != nullptr && Thread::Current() != nullptr)
    hooks.activate(Thread::Current()->context());
}

void Activate(Thread* thread) {
  if (activity_hooks.activate != nullptr)
    activity_hooks.activate(thread->context());
}
void Deactivate(Thread* thread) {
  if (activity_hooks.deactivate != nullptr)
    activity_hooks.deactivate(thread->context());
}

Thread::Thread(const char* name, CpuId cpu) : name_(name), cpu_(cpu), id_(next_thread_id++) {}

Result<Thread*> Thread::Create(const char* name, Entry entry, void* argument, CpuId cpu) {
  return VirtualCpu::Of(cpu).Create(name, entry, argument);
}

void Thread::Block() {
  detail::CheckMayBlock("blocks");
  Thread* self = Current();
  VirtualCpu::Of(self->cpu_).Block(self);
}

void Thread::BlockExternal() {
  detail::CheckMayBlock("blocks");
  Thread* self = Current();
  Deactivate(self);
  VirtualCpu::Of(self->cpu_).Block(self);
  Activate(self);
}

void Thread::Unblock() {
  VirtualCpu::Of(cpu_).Unblock(this);
}

void Thread::Yield() {
  detail::CheckMayBlock("yields");
  Thread* self = Current();
  VirtualCpu::Of(self->cpu_).Yield(self);
}

void Thread::PreemptionPoint() {
  detail::CheckMayBlock("reaches a preemption point");
  Thread* self = Current();
  if (VirtualCpu::Of(self->cpu_).AnybodyWaits())
    VirtualCpu::Of(self->cpu_).Yield(self);
}

void Thread::LogCallChain() const {
  Log("  thread {} of CPU {}{}", name_, cpu_, this == Current() ? ", running" : "");
}

void Thread::Exit() {
  Thread* self = Current();
  VirtualCpu::Of(self->cpu_).Leave(self);
  pthread_exit(nullptr);
}

void Send(CpuId cpu, CpuMessage* message) {
  VirtualCpu::Of(cpu).Post(message);
}

void Timer::Arm(std::uint64_t deadline_ns, Callback callback, void* argument) {
  Cancel();
  deadline_ = deadline_ns;
  callback_ = callback;
  argument_ = argument;
  cpu_ = Thread::Current()->cpu();
  armed_ = true;
  VirtualCpu::Of(cpu_).Arm(this);
}

bool Timer::Cancel() {
  if (!armed_)
    return false;
  K42_ASSERT(Thread::Current() != nullptr && Thread::Current()->cpu() == cpu_,
             "a timer is cancelled on the CPU that armed it");
  armed_ = false;
  return VirtualCpu::Of(cpu_).Cancel(this);
}

}  // namespace k42::machine
