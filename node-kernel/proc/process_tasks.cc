// Process: its end, waiting for others, tasks and threads, and what is known of them.
#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>

#include "machine/clock.h"
#include "proc/process.h"
#include "trace/trace.h"

namespace k42::proc {
namespace {

// At most two words of it.
void TraceName(std::uint32_t task, std::string_view name) {
  if (!trace::IsOn(trace::Class::kProcess))
    return;
  std::uint64_t words[2] = {};
  std::memcpy(words, name.data(), std::min(name.size(), sizeof words));
  trace::Log(trace::kProcessName, task, words[0], words[1]);
}

}  // namespace

Status Process::Exit(const cobj::CallContext& caller, std::uint32_t task, ExitKind kind,
                     std::uint32_t code) {
  if (kind == ExitKind::kStopped || kind == ExitKind::kContinued)
    return Status::kInvalidArgument;
  const std::uint32_t number = task == 0 ? Number(caller) : task;
  if (number != main_number_) {
    TRY(services_.tasks.EndOwn(this, number, kind, code));
    NoLongerActsFor(number);
    return Status::kOk;
  }
  EndRunning(kind, code);
  return Status::kOk;  // the dispatcher ends on its way back to user space
}

void Process::NoLongerActsFor(std::uint32_t task) {
  ForEachDispatcher([&](ProcessDispatcher& each) { each.NoLongerActFor(task, main_number_); });
}

Status Process::Wait(const cobj::CallContext& caller, const WaitRequest& request, WaitResult& found,
                     cobj::Ticket ticket) {
  return services_.tasks.Wait(Number(caller), request, ticket, &found);
}

Result<std::uint32_t> Process::NewTask(const cobj::CallContext& caller, std::uint32_t signal) {
  if (signal > abi::kSignalMax)
    return Status::kInvalidArgument;
  TRY(services_.tasks.RequireRoom(Number(caller)));
  return services_.tasks.Create(this, Number(caller), signal, this, false, machine::MonotonicNs());
}

Result<std::uint32_t> Process::NewThread(const cobj::CallContext& caller, std::uint32_t task) {
  return services_.tasks.NewThread(Number(caller), task);
}

Status Process::EndThread(const cobj::CallContext& caller, std::uint32_t thread) {
  return services_.tasks.EndThread(Number(caller), thread);
}

Status Process::GetTask(const cobj::CallContext& caller, std::uint32_t task, TaskInfo& info) {
  TRY(services_.tasks.GetInfo(Number(caller), task, &info));
  Process* process = nullptr;
  (void)services_.tasks.Visit(Number(caller), task, [&process](Task& found) {
    auto* host = static_cast<Process*>(found.host);
    if (host != nullptr && host->TryHold())
      process = host;
    return Status::kOk;
  });
  if (process != nullptr) {
    process->AddUse(info);
    process->Drop();
  }
  return Status::kOk;
}

// What its dispatchers say. The caller has a hold.
void Process::AddUse(TaskInfo& info) const {
  const std::uint64_t now_ns = machine::MonotonicNs();
  bool running = false;
  info.cpu = first()->scheduled().cpu();
  ForEachDispatcher([&](const ProcessDispatcher& each) {
    const sched::Dispatcher& dispatcher = each.scheduled();
    if (info.task == main_number_)
      info.user_ns += dispatcher.run_ns(now_ns);
    info.switches += dispatcher.switches();
    if (each.parked())
      return;
    ++info.dispatchers;
    if (running || dispatcher.state() == sched::Dispatcher::State::kWaiting ||
        dispatcher.state() == sched::Dispatcher::State::kIdle)
      return;
    running = true;
    info.cpu = dispatcher.cpu();
  });
  if (info.state == TaskState::kRunning && !running)
    info.state = TaskState::kWaiting;
  info.process = main_number_;
}

// The frequent questions: an answer in a register, where GetTask collects and copies all there is.
Result<std::uint32_t> Process::GetNumber(const cobj::CallContext& caller, std::uint32_t task,
                                         TaskNumber which) {
  std::uint32_t number = 0;
  TRY(services_.tasks.Visit(Number(caller), task, [&number, which](const Task& found) {
    switch (which) {
      case TaskNumber::kParent:
        if (const Task* parent = found.parent)
          number = parent->number;
        break;
      case TaskNumber::kGroup:
        number = found.group;
        break;
      case TaskNumber::kSession:
        number = found.session;
        break;
      case TaskNumber::kUser:
        number = found.credential.user;
        break;
      case TaskNumber::kEffectiveUser:
        number = found.credential.effective_user;
        break;
      case TaskNumber::kGroupId:
        number = found.credential.group;
        break;
      case TaskNumber::kEffectiveGroup:
        number = found.credential.effective_group;
        break;
      case TaskNumber::kOwn:
        number = found.number;
        break;
    }
    return Status::kOk;
  }));
  return number;
}

namespace {

Result<std::uint32_t> ListTo(TaskTable& tasks, std::uint32_t after, bool threads,
                             std::uint32_t task, BufferOut numbers) {
  constexpr std::uint32_t kPiece = 64;
  std::uint32_t piece[kPiece];
  const auto room = static_cast<std::uint32_t>(numbers.size() / sizeof(std::uint32_t));
  std::uint32_t done = 0;
  while (done < room) {
    const std::uint32_t wanted = std::min(kPiece, room - done);
    const std::uint32_t got = tasks.List(after, threads, task, {piece, wanted});
    TRY(numbers.CopyFrom(piece, done * sizeof(std::uint32_t), got * sizeof(std::uint32_t)));
    done += got;
    if (got < wanted)
      break;
    after = piece[got - 1];
  }
  return done;
}

}  // namespace

Result<std::uint32_t> Process::ListTasks(const cobj::CallContext&, std::uint32_t after,
                                         BufferOut numbers) {
  return ListTo(services_.tasks, after, false, 0, numbers);
}

Result<std::uint32_t> Process::ListThreads(const cobj::CallContext& caller, std::uint32_t task,
                                           std::uint32_t after, BufferOut numbers) {
  return ListTo(services_.tasks, after, true, task == 0 ? Number(caller) : task, numbers);
}

Result<std::uint32_t> Process::GetText(const cobj::CallContext& caller, std::uint32_t task,
                                       TaskText text, BufferOut buffer) {
  // Words that others may not see; /proc's file has its own permission.
  if (text == TaskText::kEnvironment)
    TRY(services_.tasks.RequireControl(Number(caller), task));
  HeldText held(services_.allocator);
  TRY(services_.tasks.GetText(Number(caller), task, text, &held));
  const auto size =
      static_cast<std::uint32_t>(std::min<std::size_t>(held.view().size(), buffer.size()));
  TRY(buffer.CopyFrom(held.view().data(), 0, size));
  return size;
}

Status Process::SetText(const cobj::CallContext& caller, std::uint32_t task, TaskText text,
                        BufferIn value) {
  constexpr std::uint32_t kNameSize = 15;
  auto size = static_cast<std::uint32_t>(value.size());
  if (text == TaskText::kName)
    size = std::min(size, kNameSize);
  void* room = services_.allocator.Allocate(SharedText::Room(size), alignof(SharedText));
  if (room == nullptr)
    return Status::kNoMemory;
  auto* made = ::new (room) SharedText;
  made->size = size;
  HeldText held(services_.allocator);
  held.Exchange(made);
  TRY(value.CopyTo(held.bytes(), 0, size));
  char name[kNameSize] = {};
  if (text == TaskText::kName)
    std::copy_n(held.bytes(), size, name);
  TRY(services_.tasks.Visit(Number(caller), task, [&](Task& found) {
    if (found.host != this)
      return Status::kPermissionDenied;
    held.Exchange(found.texts.Of(text));
    return Status::kOk;
  }));
  if (text == TaskText::kName)
    TraceName(task == 0 ? Number(caller) : task, {name, size});
  return Status::kOk;
}

Result<std::uint64_t> Process::GetOption(const cobj::CallContext& caller, std::uint32_t task,
                                         TaskOption option) {
  if (option == TaskOption::kSmallPages)
    return space_->refuses_large_pages() ? 1 : 0;
  std::uint64_t value = 0;
  TRY(services_.tasks.Visit(Number(caller), task, [&](Task& found) {
    value = found.options[static_cast<std::uint32_t>(option)];
    return Status::kOk;
  }));
  return value;
}

Status Process::SetOption(const cobj::CallContext& caller, std::uint32_t task, TaskOption option,
                          std::uint64_t value) {
  if (option == TaskOption::kParentDeathSignal && value > abi::kSignalMax)
    return Status::kInvalidArgument;
  if (option == TaskOption::kSmallPages) {
    space_->RefuseLargePages(value != 0);
    return Status::kOk;
  }
  return services_.tasks.Visit(Number(caller), task, [&](Task& found) {
    if (found.host != this)
      return Status::kPermissionDenied;
    found.options[static_cast<std::uint32_t>(option)] = value;
    return Status::kOk;
  });
}

}  // namespace k42::proc
