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
  if (idle_ == nullptr && threads_ < kMaxThreads) {
    const auto made = Thread::Create("worker", ThreadMain, this, machine::CurrentCpu());
    if (made.ok())
      ++threads_;
    else if (threads_ == 0)
      return made.status();
  }
  queue_.PushBack(work);
  if (Idle* idle = idle_) {
    idle_ = idle->next;
    idle->thread->Unblock();
  }
  return Status::kOk;
}

void WorkerPool::ThreadMain(void* pool) {
  static_cast<WorkerPool*>(pool)->Serve();
}

void WorkerPool::Serve() {
  Thread* self = Thread::Current();
  self->context().worker = self;
  for (;;) {
    while (Work* work = queue_.PopFront()) {
      work->run(work);
      cobj::QuietPoint();
    }
    Idle idle = {self, idle_};
    idle_ = &idle;
    Thread::BlockExternal();
    // A token left over from the work's own waiting wakes us early: still listed, then.
    for (Idle** at = &idle_; *at != nullptr; at = &(*at)->next) {
      if (*at == &idle) {
        *at = idle.next;
        break;
      }
    }
  }
}

}  // namespace k42::ipc
