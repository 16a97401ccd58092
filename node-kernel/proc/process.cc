#include "proc/process.h"

#include "machine/clock.h"
#include "machine/log.h"
#include "trace/trace.h"

namespace k42::proc {

constinit ProcessServices* node_processes = nullptr;

// Nobody is inside a dispatcher any more: GiveBack saw to those who do not come through the object,
// the object's grace period to the others.
Process::~Process() {
  ForEachDispatcher([this](ProcessDispatcher& each) { services_.allocator.Destroy(&each); });
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
  if (ipc::WorkerPool::Here().SubmitFirst(&reaper_) != Status::kOk)
    machine::Log("process {}: no thread to reap it; its memory is lost", main_number_);
}

void Process::Reap(ipc::Work* work) {
  static_cast<Reaper*>(work)->process->GiveBack();
}

void Process::GiveBack() {
  const mem::MemoryUse use = space_->Use();
  std::uint64_t run_ns = 0;
  ForEachDispatcher([&](ProcessDispatcher& each) {
    if (waited_for_words_.load(std::memory_order_relaxed))
      services_.words.Forget(each.sink());
    each.calls().GiveBack();
    run_ns += each.scheduled().run_ns(machine::MonotonicNs());
  });
  handles_.CloseAll();
  space_->Destroy();
  space_ = nullptr;
  const TaskTable::Times times = {run_ns, 0, use.peak_resident};
  const bool was_first = main_number_ == NumberTable::kFirst;
  services_.tasks.EndHost(this, exit_kind_, exit_code_, times);
  if (services_.process_ended != nullptr)
    services_.process_ended(main_number_, exit_kind_, exit_code_);
  if (was_first && services_.first_ended != nullptr)
    services_.first_ended(exit_kind_, exit_code_);
  bool used_elsewhere = false;
  ForEachDispatcher([&](ProcessDispatcher& each) { used_elsewhere |= each.Retire(); });
  if (!used_elsewhere) [[likely]] {
    (void)cobj::Destroy(self_);
    return;
  }
  // Those threads are inside the object as those of a miss are: one is seen there, and the object
  // waits for all CPUs.
  cobj::MissGate& gate = cobj::node_objects->table().gate(self_.bits());
  (void)gate.Enter();
  (void)cobj::Destroy(self_);
  gate.Leave();
}

void Process::SignalsChanged(Task& task) {
  if (task.is_main)
    first()->scheduled().page()->signals_pending.store(task.signals.pending(),
                                                       std::memory_order_release);
  first()->scheduled().Post(abi::kEventSignal);
}

void Process::IdentityChanged(Task& task) {
  if (!task.is_main)
    return;
  constexpr auto kRelaxed = std::memory_order_relaxed;
  abi::DispatcherPage* page = first()->scheduled().page();
  const Task* parent = task.parent;
  page->parent.store(parent == nullptr ? 0 : parent->number, kRelaxed);
  page->user.store(task.credential.user, kRelaxed);
  page->effective_user.store(task.credential.effective_user, kRelaxed);
  page->group.store(task.credential.group, kRelaxed);
  page->effective_group.store(task.credential.effective_group, kRelaxed);
}

void Process::StopRunning() {
  stops_.fetch_add(1, std::memory_order_seq_cst);
  ObeyStops();
}

void Process::ContinueRunning() {
  stops_.fetch_sub(1, std::memory_order_seq_cst);
  ObeyStops();
}

// Who has told the dispatchers what does not hold any more tells them again, so the last to tell
// says what holds.
void Process::ObeyStops() {
  bool stopped = false;
  do {
    stopped = is_stopped();
    ForEachDispatcher([stopped](ProcessDispatcher& each) {
      stopped ? each.scheduled().Stop() : each.scheduled().Continue();
    });
  } while (stopped != is_stopped());
}

void Process::EndRunning(ExitKind kind, std::uint32_t code) {
  if (ending_.exchange(true, std::memory_order_seq_cst))
    return;
  trace::Log(trace::kProcessExit, main_number_, static_cast<std::uint32_t>(kind), code);
  exit_kind_ = kind;
  exit_code_ = code;
  ForEachDispatcher([](ProcessDispatcher& each) { each.scheduled().Ask(sched::Dispatcher::kEnd); });
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
