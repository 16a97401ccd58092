#include "machine/timer.h"

#include "base/assert.h"
#include "clock.h"
#include "cpu_state.h"
#include "lapic.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "platform/contract/trace_hook.h"

namespace k42::machine {

Timer* TimerQueue::Merge(Timer* a, Timer* b) {
  if (a == nullptr || b == nullptr) {
    return a != nullptr ? a : b;
  }
  if (b->deadline_ < a->deadline_) {
    Timer* earlier = b;
    b = a;
    a = earlier;
  }
  b->previous_ = a;
  b->sibling_ = a->child_;
  if (a->child_ != nullptr) {
    a->child_->previous_ = b;
  }
  a->child_ = b;
  return a;
}

// Two passes, without recursion: pairs from the left, then all pairs from the right.
Timer* TimerQueue::MergeChildren(Timer* first) {
  Timer* pairs = nullptr;
  while (first != nullptr) {
    Timer* second = first->sibling_;
    Timer* rest = second != nullptr ? second->sibling_ : nullptr;
    first->sibling_ = nullptr;
    if (second != nullptr) {
      second->sibling_ = nullptr;
    }
    Timer* pair = Merge(first, second);
    pair->sibling_ = pairs;
    pairs = pair;
    first = rest;
  }
  Timer* root = nullptr;
  while (pairs != nullptr) {
    Timer* next = pairs->sibling_;
    pairs->sibling_ = nullptr;
    root = Merge(root, pairs);
    pairs = next;
  }
  if (root != nullptr) {
    root->previous_ = nullptr;
  }
  return root;
}

void TimerQueue::Insert(Timer* timer) {
  timer->child_ = timer->sibling_ = timer->previous_ = nullptr;
  root_ = Merge(root_, timer);
  if (root_ == timer) {
    SetHardware(MonotonicNs());
  }
}

void TimerQueue::Remove(Timer* timer) {
  Timer* merged = MergeChildren(timer->child_);
  if (timer == root_) {
    root_ = merged;  // the hardware may now fire early: RunDue finds nothing and sets it anew
    return;
  }
  Timer* previous = timer->previous_;
  (previous->child_ == timer ? previous->child_ : previous->sibling_) = timer->sibling_;
  if (timer->sibling_ != nullptr) {
    timer->sibling_->previous_ = previous;
  }
  root_ = Merge(root_, merged);
}

void TimerQueue::SetHardware(std::uint64_t now) {
  if (root_ == nullptr) {
    hardware_deadline_ = ~0ull;
    return;
  }
  hardware_deadline_ = root_->deadline_;
  SetLapicTimer(LapicTicks(hardware_deadline_ > now ? hardware_deadline_ - now : 0));
}

void TimerQueue::RunDue() {
  const std::uint64_t now = MonotonicNs();
  while (root_ != nullptr && root_->deadline_ <= now) {
    Timer* timer = root_;
    Remove(timer);
    timer->armed_ = false;
    // Should the callback block, somebody else must go on with the rest.
    if (root_ != nullptr && root_->deadline_ <= now) {
      ThisCpuArea()->work.fetch_or(kWorkTimer, std::memory_order_relaxed);
    } else {
      SetHardware(now);
    }
    TraceEvent(PlatformEvent::kTimer, reinterpret_cast<std::uint64_t>(timer->callback_),
               now - timer->deadline_);
    timer->callback_(timer->argument_);
  }
  SetHardware(MonotonicNs());
}

void Timer::Arm(std::uint64_t deadline_ns, Callback callback, void* argument) {
  Cancel();
  deadline_ = deadline_ns;
  callback_ = callback;
  argument_ = argument;
  cpu_ = CurrentCpu();
  armed_ = true;
  ThisCpuState().timers.Insert(this);
}

bool Timer::Cancel() {
  if (!armed_) {
    return false;
  }
  K42_ASSERT(cpu_ == CurrentCpu(), "a timer belongs to the CPU that armed it");
  ThisCpuState().timers.Remove(this);
  armed_ = false;
  return true;
}

}  // namespace k42::machine
