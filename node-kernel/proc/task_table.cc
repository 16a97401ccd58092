// Birth and death. What relatives are told: task_family.cc.
#include "proc/task_table.h"

#include <utility>

#include "cobj/object_system.h"
#include "machine/thread.h"

namespace k42::proc {

using machine::SpinGuard;

namespace {

void Count(std::atomic<std::uint32_t>& own) {  // a word that one CPU writes
  own.store(own.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

void FreeReleased(Allocator& allocator, Task* first) {
  while (Task* task = first) {
    first = task->next_released;
    allocator.Destroy(task);
  }
}

}  // namespace

TaskTable::~TaskTable() {
  ForEach([this](Task& task) {
    Fired waiting;
    task.waiters.TakeAll(&waiting);
    while (ChildWaiter* waiter = waiting.PopFront()) allocator_.Destroy(waiter);
    for (SharedText* text : task.texts.text) SharedText::Drop(text, allocator_);
    while (task.children.PopFront() != nullptr) {
    }
  });
  ForEach([this](Task& task) { allocator_.Destroy(&task); });
  for (PerCpu& cpu : cpus_) FreeReleased(allocator_, cpu.released);
}

TaskTable::Walk::Walk(TaskTable& table) : gate_(table.births_) {
  while (!gate_.TryClose()) machine::Thread::Yield();
  while (!gate_.IsEmpty(machine::CpuCount())) machine::Pause();
}

TaskTable::Walk::~Walk() {
  gate_.Open();
}

TaskTable::Birth::Birth(BirthGate& gate) : gate_(gate) {
  while (!gate_.TryEnter(cpu_ = machine::CurrentCpu())) machine::Thread::Yield();
}

TaskHost* TaskTable::HostOf(const Task& task) {
  SpinGuard guard(task.lock);
  return task.host;
}

Task* TaskTable::FindOwn(std::uint32_t caller, std::uint32_t number, const TaskHost** host) const {
  Task* self = Find(caller);
  Task* task = number == 0 ? self : Find(number);
  if (self == nullptr || task == nullptr)
    return nullptr;
  *host = HostOf(*self);
  return *host == nullptr ? nullptr : task;
}

bool TaskTable::Bear(Task& parent, const TaskHost* caller, Task& child) {
  if (parent.host == nullptr || parent.host != caller)
    return false;
  constexpr auto kDumpable = static_cast<std::uint32_t>(TaskOption::kDumpable);
  constexpr auto kRelaxed = std::memory_order_relaxed;
  child.parent.store(&parent, kRelaxed);
  child.group.store(parent.group.load(kRelaxed), kRelaxed);
  child.session.store(parent.session.load(kRelaxed), kRelaxed);
  child.options[kDumpable].store(parent.options[kDumpable].load(kRelaxed), kRelaxed);
  child.credential = parent.credential;
  child.nice = parent.nice;
  for (std::uint32_t i = 0; i < Task::kLimits; ++i) child.limits[i] = parent.limits[i];
  child.texts = parent.texts;
  for (SharedText* text : child.texts.text) {
    if (text != nullptr)
      text->Add();
  }
  child.host->IdentityChanged(child);
  parent.children.PushBack(&child);
  return true;
}

Result<std::uint32_t> TaskTable::Create(const TaskHost* caller, std::uint32_t parent_number,
                                        std::uint32_t exit_signal, TaskHost* host, bool is_main,
                                        std::uint64_t now_ns) {
  Task* task = TRY(allocator_.Make<Task>());
  const Result<std::uint32_t> number = numbers_.Reserve();
  if (!number.ok()) {
    allocator_.Destroy(task);
    return number.status();
  }
  task->number = number.value();
  task->host = host;
  task->is_main = is_main;
  task->exit_signal = exit_signal;
  task->start_ns = now_ns;
  // As it may end as soon as it is found.
  Count(cpus_[machine::CurrentCpu()].born);
  if (is_main)
    host->own_tasks.main.store(task->number, std::memory_order_relaxed);
  else
    host->own_tasks.guests.fetch_add(1, std::memory_order_relaxed);
  if (parent_number == 0) {
    task->heads_family = true;
    task->group.store(task->number, std::memory_order_relaxed);
    task->session.store(task->number, std::memory_order_relaxed);
    for (Limit& limit : task->limits) limit = {~std::uint64_t{0}, ~std::uint64_t{0}};
    numbers_.Publish(number.value(), task, false);
    return number;
  }
  bool is_born = false;
  {
    const Birth birth(births_);
    if (Task* parent = Find(parent_number)) {
      SpinGuard guard(parent->lock, kRecordHold);
      is_born = Bear(*parent, caller, *task);
      if (is_born)
        numbers_.Publish(number.value(), task, false);
    }
  }
  if (is_born)
    return number;
  if (is_main)
    host->own_tasks.main.store(0, std::memory_order_relaxed);
  else
    host->own_tasks.guests.fetch_sub(1, std::memory_order_relaxed);
  Count(cpus_[machine::CurrentCpu()].gone);
  numbers_.Free(number.value());
  allocator_.Destroy(task);
  return Status::kNoProcess;
}

Status TaskTable::Adopt(std::uint32_t caller, std::uint32_t number, TaskHost* from,
                        TaskHost* host) {
  const TaskHost* own = nullptr;
  Task* found = FindOwn(caller, number, &own);
  if (found == nullptr)
    return Status::kNoProcess;
  SpinGuard guard(found->lock);
  if (found->host != own || found->is_main || found->host != from)
    return Status::kNoProcess;
  found->host = host;
  found->is_main = true;
  from->own_tasks.guests.fetch_sub(1, std::memory_order_relaxed);
  host->own_tasks.main.store(found->number, std::memory_order_relaxed);
  host->IdentityChanged(*found);
  // What it was told as a guest, and its old process has not carried out.
  if (found->state.load(std::memory_order_relaxed) == TaskState::kStoppedState) {
    host->TaskStops();
    from->TaskGoesOn();
  }
  if ((found->signals.pending() & abi::SignalBit(abi::kSignalKill)) != 0)
    host->EndRunning(ExitKind::kKilled, abi::kSignalKill);
  else if (found->signals.pending() != 0)
    host->SignalsChanged(*found);
  return Status::kOk;
}

// Nobody finds it any more; who has found it may use it until it is inactive.
void TaskTable::Release(Task& task) {
  TaskTexts texts;
  {
    SpinGuard guard(task.lock);
    std::swap(texts, task.texts);
  }
  for (SharedText* text : texts.text) SharedText::Drop(text, allocator_);
  numbers_.Free(task.number);
  PerCpu& here = cpus_[machine::CurrentCpu()];
  Count(here.gone);
  task.next_released = here.released;
  here.released = &task;
  if (++here.released_count < kReleasedPiece)
    return;
  here.released = nullptr;
  here.released_count = 0;
  task.departure.allocator = &allocator_;
  task.departure.first = &task;
  // Two grace periods: until the first is over somebody may still make it another task's parent, or
  // not yet have taken it away there; until the second somebody may have read that.
  task.departure.done = [](cobj::GraceWait* first) {
    first->done = [](cobj::GraceWait* second) {
      const Task::Departure& departure = *static_cast<Task::Departure*>(second);
      FreeReleased(*departure.allocator, departure.first);
    };
    cobj::node_objects->grace().AfterGlobal(first);
  };
  cobj::node_objects->grace().AfterGlobal(&task.departure);
}

// True for one caller, whose part the rest is: End.
bool TaskTable::Finish(Task& task, TaskHost* host, bool is_main, ExitKind kind, std::uint32_t code,
                       const Times& times, Ending* ending) {
  SpinGuard guard(task.lock);
  if (task.host != host || task.is_main != is_main)
    return false;
  task.host = nullptr;
  if (!is_main && task.state.load(std::memory_order_relaxed) == TaskState::kStoppedState)
    host->TaskGoesOn();
  task.exit_kind = kind;
  task.exit_code = code;
  task.user_ns = times.user_ns;
  task.system_ns = times.system_ns;
  task.peak_resident = times.peak_resident;
  task.state.store(TaskState::kZombie, std::memory_order_release);
  if (is_main)
    host->own_tasks.main.store(0, std::memory_order_relaxed);
  else
    host->own_tasks.guests.fetch_sub(1, std::memory_order_relaxed);
  ending->change = {kind, code, ++task.turn, task.credential.user};
  ending->threads = std::exchange(task.threads, 1);
  ending->terminal = task.terminal;
  // Who acted for it waits for nothing any more.
  task.waiters.TakeAll(&ending->fired);
  return true;
}

void TaskTable::FreeThreads(Task& task, std::uint32_t count) {
  const NumberTable::Slot own = {&task, true};
  for (std::uint32_t thread = 0; count > 1 && (thread = numbers_.Next(thread, true)) != 0;) {
    if (numbers_.Find(thread) == own) {
      numbers_.Free(thread);
      --count;
    }
  }
}

void TaskTable::Fire(Fired& fired) {
  while (ChildWaiter* waiter = fired.PopFront()) {
    (void)waiter->ticket.Fire(Status::kOk, 0);
    allocator_.Destroy(waiter);
  }
}

void TaskTable::End(Task& task, Ending& ending) {
  FreeThreads(task, ending.threads);
  const std::uint32_t group = task.group, session = task.session;
  const bool leads_terminal = session == task.number && ending.terminal != 0;
  HandOverChildren(task, &ending.fired);
  if (IsLink(task, task.parent))
    WakeIfOrphaned(group, &ending.fired);
  TellEnd(task, ending.change, &ending.fired);
  MarkListeners(task);
  Fire(ending.fired);
  if (task.listened.load())
    TellListeners();
  if (leads_terminal && session_ended_ != nullptr)
    session_ended_(session, ending.terminal);
}

void TaskTable::EndGuests(TaskHost* host) {
  if (host->own_tasks.guests.load(std::memory_order_relaxed) == 0)
    return;
  ForEach([&](Task& task) {
    Ending ending;
    if (Finish(task, host, false, ExitKind::kKilled, abi::kSignalKill, {}, &ending))
      End(task, ending);
  });
}

void TaskTable::EndHost(TaskHost* host, ExitKind kind, std::uint32_t code, const Times& times) {
  EndGuests(host);
  Ending ending;
  Task* task = Find(host->own_tasks.main.load(std::memory_order_relaxed));
  if (task != nullptr && Finish(*task, host, true, kind, code, times, &ending))
    End(*task, ending);
}

Status TaskTable::EndOwn(TaskHost* host, std::uint32_t number, ExitKind kind, std::uint32_t code) {
  Ending ending;
  Task* task = Find(number);
  if (task == nullptr || !Finish(*task, host, false, kind, code, {}, &ending))
    return Status::kNoProcess;
  End(*task, ending);
  return Status::kOk;
}

Status TaskTable::RequireRoom(std::uint32_t caller) {
  const Task* self = Find(caller);
  if (self == nullptr)
    return Status::kNoProcess;
  std::uint64_t most = 0;
  std::uint32_t user = 0;
  {
    SpinGuard guard(self->lock);
    if (self->credential.effective_user == 0)
      return Status::kOk;
    most = self->limits[static_cast<std::uint32_t>(LimitKind::kTasks)].soft;
    user = self->credential.user;
  }
  if (most == ~std::uint64_t{0})
    return Status::kOk;
  std::uint64_t count = 0;
  ForEach([&](const Task& task) {
    SpinGuard guard(task.lock);
    count += task.credential.user == user ? 1 : 0;
  });
  return count < most ? Status::kOk : Status::kLimitExceeded;
}

Result<std::uint32_t> TaskTable::NewThread(std::uint32_t caller, std::uint32_t number) {
  const TaskHost* host = nullptr;
  Task* task = FindOwn(caller, number, &host);
  if (task == nullptr)
    return Status::kNoProcess;
  const std::uint32_t thread = TRY(numbers_.Reserve());
  {
    SpinGuard guard(task->lock);
    if (task->host == host) {
      ++task->threads;
      numbers_.Publish(thread, task, true);
      return thread;
    }
  }
  numbers_.Free(thread);
  return Status::kNoProcess;
}

Status TaskTable::EndThread(std::uint32_t caller, std::uint32_t thread) {
  const NumberTable::Slot slot = numbers_.Find(thread);
  const Task* self = Find(caller);
  if (!slot.is_thread || slot.task == nullptr || self == nullptr)
    return Status::kNoProcess;
  const TaskHost* host = HostOf(*self);
  {
    SpinGuard guard(slot.task->lock);
    // Under the lock of the task: whose thread it is, and that nobody else ends it.
    if (host == nullptr || slot.task->host != host || numbers_.Find(thread) != slot)
      return Status::kNoProcess;
    --slot.task->threads;
    numbers_.Withdraw(thread);
  }
  numbers_.Free(thread);
  return Status::kOk;
}

std::uint32_t TaskTable::count() const {
  // The ends first: what has ended by now was born before.
  std::uint32_t gone = 0, born = 0;
  for (const PerCpu& cpu : cpus_) gone += cpu.gone.load(std::memory_order_acquire);
  for (const PerCpu& cpu : cpus_) born += cpu.born.load(std::memory_order_acquire);
  return born - gone;
}

}  // namespace k42::proc
