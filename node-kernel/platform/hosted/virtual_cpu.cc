#include "virtual_cpu.h"

#include <chrono>
#include <thread>

#include "base/assert.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/cpu_area.h"
#include "machine/hosted.h"
#include "machine/local_table.h"
#include "machine/lock_checks.h"

namespace k42::machine {

// Never destroyed: host threads may still stand in it when the program ends.
VirtualCpu* VirtualCpu::All() {
  static VirtualCpu* const cpus = [] {
    auto* all = new VirtualCpu[kMaxCpus];
    for (CpuId cpu = 0; cpu < kMaxCpus; ++cpu) all[cpu].id_ = cpu;
    return all;
  }();
  return cpus;
}

namespace {

struct Start {
  VirtualCpu* cpu;
  Thread* thread;
  Thread::Entry entry;
  void* argument;
};

thread_local Thread* current_thread = nullptr;

}  // namespace

VirtualCpu& VirtualCpu::Of(CpuId cpu) {
  K42_ASSERT(cpu < kMaxCpus, "no such CPU");
  return All()[cpu];
}

Thread* Thread::Current() {
  return current_thread;
}

// -- turns ----------------------------------------------------------------------------------------

void VirtualCpu::MakeReadyLocked(Thread* thread, bool first) {
  if (first)
    ready_.push_front(thread);
  else
    ready_.push_back(thread);
  if (running_ == nullptr)
    RunNextLocked();
}

void VirtualCpu::RunNextLocked() {
  running_ = nullptr;
  if (ready_.empty())
    return;
  running_ = ready_.front();
  ready_.pop_front();
  running_->turn_.notify_one();
}

void VirtualCpu::WaitForTurn(Guard& guard, Thread* thread) {
  thread->turn_.wait(guard, [&] { return running_ == thread; });
}

Thread* VirtualCpu::Adopt(const char* name) {
  K42_ASSERT(current_thread == nullptr, "this host thread already is on a CPU");
  auto* thread = new Thread(name, id_);
  {
    Guard guard(lock_);
    MakeReadyLocked(thread, false);
    WaitForTurn(guard, thread);
  }
  current_thread = thread;
  cpu_area_base = AreaBase(id_);
  Activate(thread);
  return thread;
}

void VirtualCpu::Leave(Thread* thread) {
  K42_ASSERT(current_thread == thread, "leaves a CPU it is not on");
  detail::CheckMayBlock("leaves its CPU");
  Deactivate(thread);
  current_thread = nullptr;
  cpu_area_base = nullptr;
  Thread* oldest = nullptr;
  {
    Guard guard(lock_);
    RunNextLocked();
    gone_.push_back(thread);
    if (gone_.size() > kMostGone) {
      oldest = gone_.front();
      gone_.pop_front();
    }
  }
  delete oldest;
}

Result<Thread*> VirtualCpu::Create(const char* name, Thread::Entry entry, void* argument) {
  auto* thread = new Thread(name, id_);
  {
    Guard guard(lock_);
    MakeReadyLocked(thread, false);
  }
  std::thread([start = Start{this, thread, entry, argument}] {
    {
      Guard guard(start.cpu->lock_);
      start.cpu->WaitForTurn(guard, start.thread);
    }
    current_thread = start.thread;
    cpu_area_base = AreaBase(start.cpu->id_);
    Activate(start.thread);
    start.entry(start.argument);
    start.cpu->Leave(start.thread);
  }).detach();
  return thread;
}

void VirtualCpu::Block(Thread* thread) {
  Guard guard(lock_);
  if (!thread->wake_.Block())
    return;
  RunNextLocked();
  WaitForTurn(guard, thread);
}

void VirtualCpu::Unblock(Thread* thread) {
  Guard guard(lock_);
  if (thread->wake_.Give())
    MakeReadyLocked(thread, false);
}

void VirtualCpu::Yield(Thread* thread) {
  Guard guard(lock_);
  if (ready_.empty())
    return;
  MakeReadyLocked(thread, false);
  RunNextLocked();
  WaitForTurn(guard, thread);
}

bool VirtualCpu::AnybodyWaits() {
  Guard guard(lock_);
  return !ready_.empty();
}

// -- messages and timers --------------------------------------------------------------------------

void VirtualCpu::Post(CpuMessage* message) {
  Guard guard(lock_);
  messages_.push_back(message);
  StartLoopLocked();
}

void VirtualCpu::Arm(Timer* timer) {
  Guard guard(lock_);
  timers_.emplace(timer->deadline_, timer);
  StartLoopLocked();
}

bool VirtualCpu::Cancel(Timer* timer) {
  Guard guard(lock_);
  const auto [begin, end] = timers_.equal_range(timer->deadline_);
  for (auto at = begin; at != end; ++at) {
    if (at->second == timer) {
      timers_.erase(at);
      return true;
    }
  }
  return false;
}

bool VirtualCpu::LoopHasWorkLocked() const {
  return !messages_.empty() || (!timers_.empty() && timers_.begin()->first <= MonotonicNs());
}

void VirtualCpu::StartLoopLocked() {
  if (loop_started_) {
    loop_work_.notify_one();
    return;
  }
  loop_started_ = true;
  loop_ = new Thread("cpu loop", id_);
  std::thread([this] {
    current_thread = loop_;
    cpu_area_base = AreaBase(id_);
    Loop();
  }).detach();
}

void VirtualCpu::Loop() {
  for (;;) {
    {
      Guard guard(lock_);
      while (!LoopHasWorkLocked()) {
        if (timers_.empty()) {
          loop_work_.wait(guard);
        } else {
          const std::uint64_t now = MonotonicNs();
          const std::uint64_t due = timers_.begin()->first;
          loop_work_.wait_for(guard, std::chrono::nanoseconds(due > now ? due - now : 0));
        }
      }
      MakeReadyLocked(loop_, true);
      WaitForTurn(guard, loop_);
    }
    Activate(loop_);
    DrainOnce();
    Deactivate(loop_);
    Guard guard(lock_);
    RunNextLocked();
  }
}

// Handles what waits now; what handlers add waits for the next turn, so that other threads run too.
void VirtualCpu::DrainOnce() {
  std::deque<CpuMessage*> messages;
  std::deque<Timer*> due;
  {
    Guard guard(lock_);
    messages.swap(messages_);
    const auto end = timers_.upper_bound(MonotonicNs());
    for (auto at = timers_.begin(); at != end; ++at) due.push_back(at->second);
  }
  for (CpuMessage* message : messages) message->handler(message);
  for (Timer* timer : due) {
    // An earlier callback, or a handler, may have cancelled or moved it; or freed it, after Cancel.
    {
      Guard guard(lock_);
      bool still_armed = false;
      for (auto at = timers_.begin(); at != timers_.end(); ++at) {
        if (at->second == timer && at->first <= MonotonicNs()) {
          timers_.erase(at);
          still_armed = true;
          break;
        }
      }
      if (!still_armed)
        continue;
    }
    timer->armed_ = false;
    timer->callback_(timer->argument_);
  }
}

}  // namespace k42::machine
