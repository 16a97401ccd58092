// WakeUp: one thread waits, once, for one event that code on any CPU reports.
//
// Lives on the waiter's stack. The report travels as a message to the waiter's CPU, where the
// handler and the waiter take turns (threads are cooperative): so when Wait returns nobody touches
// the object or the thread any more, which a bare flag plus Unblock could not promise.
#pragma once

#include "machine/cpu_message.h"
#include "machine/thread.h"

namespace k42::mem {

class WakeUp : private machine::CpuMessage {
 public:
  WakeUp() : thread_(machine::Thread::Current()), cpu_(thread_->cpu()) {
    handler = [](machine::CpuMessage* message) {
      auto* self = static_cast<WakeUp*>(message);
      self->done_ = true;
      self->thread_->Unblock();
    };
  }
  WakeUp(const WakeUp&) = delete;
  WakeUp& operator=(const WakeUp&) = delete;

  // Exactly once, any CPU, any context.
  void Signal() { machine::Send(cpu_, this); }

  // The event comes from this node's CPUs, within moments; or the thread must stay active.
  void Wait() {
    while (!done_) {
      machine::Thread::Block();
    }
  }
  // The event comes from a device or another node.
  void WaitExternal() {
    while (!done_) {
      machine::Thread::BlockExternal();
    }
  }

 private:
  machine::Thread* thread_;
  machine::CpuId cpu_;
  bool done_ = false;  // touched on the waiter's CPU only
};

}  // namespace k42::mem
