#include "ipc/worker_pool.h"

#include "cobj/object_system.h"
#include "machine/cpu.h"

namespace k42::ipc {

using machine::Thread;

namespace {

constinit WorkerPool pools[machine::kMaxCpus];

}  // namespace

WorkerPool& WorkerPool::Here() {
  return pools[machine::CurrentCpu()];
}

// Only threads of one CPU touch a pool, and they are cooperative: no lock.
Status WorkerPool::Submit(Work* work) {
  TRY(Provide());
  queue_.PushBack(work);
  Wake(idle_);
  return Status::kOk;
}

Status WorkerPool::SubmitFirst(Work* work) {
  const std::uint32_t threads = threads_;
  TRY(Provide());
  const bool all_busy = idle_ == nullptr && threads_ == threads;
  first_.PushBack(work);
  if (all_busy)
    CallReserve();
  else
    Wake(idle_);
  return Status::kOk;
}

// One that is made finds the work when it begins.
Status WorkerPool::Provide() {
  if (idle_ != nullptr || threads_ == kMaxThreads)
    return Status::kOk;
  const auto made = Thread::Create(
      "worker",
      [](void* pool) {
        auto* self = static_cast<WorkerPool*>(pool);
        self->Serve(self->idle_);
      },
      this, machine::CurrentCpu());
  if (made.ok())
    ++threads_;
  return threads_ == 0 ? made.status() : Status::kOk;
}

// Without memory for it the work waits for the others.
void WorkerPool::CallReserve() {
  if (has_reserve_) {
    Wake(idle_reserve_);
    return;
  }
  has_reserve_ = Thread::Create(
                     "reserve worker",
                     [](void* pool) {
                       auto* self = static_cast<WorkerPool*>(pool);
                       self->Serve(self->idle_reserve_);
                     },
                     this, machine::CurrentCpu())
                     .ok();
}

void WorkerPool::Wake(Idle*& idle) {
  if (Idle* one = idle) {
    idle = one->next;
    one->thread->Unblock();
  }
}

void WorkerPool::Serve(Idle*& all_idle) {
  Thread* self = Thread::Current();
  self->context().worker = self;
  const bool all_work = &all_idle == &idle_;
  for (;;) {
    for (;;) {
      Work* work = first_.PopFront();
      if (work == nullptr && all_work)
        work = queue_.PopFront();
      if (work == nullptr)
        break;
      work->run(work);
      cobj::QuietPoint();
    }
    Idle idle = {self, all_idle};
    all_idle = &idle;
    Thread::BlockExternal();
    // A token left over from the work's own waiting wakes us early: still listed, then.
    for (Idle** at = &all_idle; *at != nullptr; at = &(*at)->next) {
      if (*at == &idle) {
        *at = idle.next;
        break;
      }
    }
  }
}

}  // namespace k42::ipc
