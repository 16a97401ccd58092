#include "proc/process.h"

#include "machine/clock.h"
#include "machine/log.h"
#include "trace/trace.h"

namespace k42::proc {

constinit ProcessServices* node_processes = nullptr;

// After the grace period of its object: no firing of a ticket is inside the dispatcher any more.
Process::~Process() {
  if (dispatcher_ != nullptr)
    services_.allocator.Destroy(dispatcher_);
}

bool Process::TryHold() {
  std::uint32_t holds = holds_.load(std::memory_order_relaxed);
  while (holds != 0) {
    if (holds_.compare_exchange_weak(holds, holds + 1, std::memory_order_acquire))
      return true;
  }
  return false;
}

void Process::Drop() {
  if (holds_.fetch_sub(1, std::memory_order_acq_rel) != 1)
    return;
  reaper_.run = Reap;
  reaper_.process = this;
  // The pool has a thread already, or can make one: only at the very start could it have none.
  if (ipc::WorkerPool::Here().Submit(&reaper_) != Status::kOk)
    machine::Log("process {}: no thread to reap it; its memory is lost", main_number_);
}

void Process::Reap(ipc::Work* work) {
  static_cast<Reaper*>(work)->process->GiveBack();
}

void Process::GiveBack() {
  const mem::MemoryUse use = space_->Use();
  if (waited_for_words_.load(std::memory_order_relaxed))
    services_.words.Forget(dispatcher_->sink());
  dispatcher_->calls().GiveBack();
  handles_.CloseAll();
  space_->Destroy();
  space_ = nullptr;
  const TaskTable::Times times = {dispatcher_->scheduled().run_ns(), 0, use.peak_resident};
  const bool was_first = main_number_ == NumberTable::kFirst;
  services_.tasks.EndHost(this, exit_kind_, exit_code_, times);
  if (services_.process_ended != nullptr)
    services_.process_ended(main_number_, exit_kind_, exit_code_);
  if (was_first && services_.first_ended != nullptr)
    services_.first_ended(exit_kind_, exit_code_);
  dispatcher_->Retire();
  (void)cobj::Destroy(self_);
}

void Process::SignalsChanged(Task& task) {
  if (task.number == main_number_)
    dispatcher_->scheduled().page()->signals_pending.store(task.signals.pending(),
                                                           std::memory_order_release);
  dispatcher_->scheduled().Post(abi::kEventSignal);
}

void Process::IdentityChanged(Task& task) {
  if (!task.is_main)
    return;
  constexpr auto kRelaxed = std::memory_order_relaxed;
  abi::DispatcherPage* page = dispatcher_->scheduled().page();
  page->parent.store(task.parent == nullptr ? 0 : task.parent->number, kRelaxed);
  page->user.store(task.credential.user, kRelaxed);
  page->effective_user.store(task.credential.effective_user, kRelaxed);
  page->group.store(task.credential.group, kRelaxed);
  page->effective_group.store(task.credential.effective_group, kRelaxed);
}

void Process::StopRunning() {
  dispatcher_->scheduled().Stop();
}

void Process::ContinueRunning() {
  dispatcher_->scheduled().Continue();
}

void Process::EndRunning(ExitKind kind, std::uint32_t code) {
  if (ending_.exchange(true, std::memory_order_acq_rel))
    return;
  trace::Log(trace::kProcessExit, main_number_, static_cast<std::uint32_t>(kind), code);
  exit_kind_ = kind;
  exit_code_ = code;
  dispatcher_->scheduled().Ask(sched::Dispatcher::kEnd);
}

Result<Process*> Process::HoldOther(const cobj::CallContext& caller, std::uint32_t task) {
  const std::uint32_t self = Number(caller);
  if (task != 0 && task != self)
    TRY(services_.tasks.RequireControl(self, task));
  Process* process = nullptr;
  TRY(services_.tasks.Visit(self, task, [&process](Task& found) {
    auto* host = static_cast<Process*>(found.host);
    if (host == nullptr || !host->TryHold())
      return Status::kNoProcess;
    process = host;
    return Status::kOk;
  }));
  return process;
}

}  // namespace k42::proc
