// Process: its dispatchers.
#include "machine/cpu.h"
#include "machine/user_copy.h"
#include "machine/vector_state.h"
#include "proc/map_at.h"
#include "proc/process.h"
#include "sched/user_address.h"

namespace k42::proc {

using machine::MutexGuard;

namespace {

constexpr std::uint32_t kDispatcherPages =
    (sizeof(abi::DispatcherPage) + sizeof(abi::TicketResults)) / abi::kPageSize;

}  // namespace

ProcessDispatcher& Process::Calling() const {
  ProcessDispatcher* current = ProcessDispatcher::Current();
  return current != nullptr && &current->process() == this ? *current : *first();
}

// Its slot is filled once it can be found there; nobody has admitted it yet.
Result<ProcessDispatcher*> Process::MakeDispatcher(std::uint32_t index, std::uint32_t cpu) {
  mem::FcmOnDemand* pages = TRY(mem::FcmOnDemand::Create(services_.memory, kDispatcherPages));
  const auto made = services_.allocator.Make<ProcessDispatcher>(*this, index, pages);
  if (!made.ok()) {
    pages->DropReference();
    return made.status();
  }
  ProcessDispatcher* dispatcher = made.value();
  const auto prepare = [&]() -> Status {
    TRY(dispatcher->TakeSink());
    dispatcher->scheduled().PlaceOn(cpu);
    dispatcher->scheduled().SetName(main_number_);
    TRY(MapAt(*space_, dispatcher->user_page(), pages->size(),
              mem::kProtectRead | mem::kProtectWrite, pages, 0, true, mem::ForkPolicy::kOmit));
    ShowAt(*space_, dispatcher->user_page(), mem::Access::kWrite);
    return Status::kOk;
  };
  if (const Status status = prepare(); status != Status::kOk) {
    services_.allocator.Destroy(dispatcher);
    return status;
  }
  dispatchers_[index].store(dispatcher, std::memory_order_seq_cst);
  if (dispatchers_end_.load(std::memory_order_relaxed) <= index)
    dispatchers_end_.store(index + 1, std::memory_order_seq_cst);
  return dispatcher;
}

ProcessDispatcher* Process::TakeParked(std::uint32_t cpu) {
  ProcessDispatcher* taken = nullptr;
  ForEachDispatcher([&](ProcessDispatcher& each) {
    if (taken == nullptr && each.scheduled().cpu() == cpu && each.TakeParked())
      taken = &each;
  });
  return taken;
}

Result<std::uint32_t> Process::AddDispatcher(ProcessDispatcher& caller, std::uint64_t cpu,
                                             std::uint64_t state_address) {
  if (cpu >= machine::CpuCount() || (cpus_ >> cpu & 1) == 0)
    return Status::kInvalidArgument;
  abi::UserState state;
  TRY(machine::CopyIn(&state, state_address, sizeof(state)));
  if (!sched::Validate(state))
    return Status::kBadAddress;
  const auto place = static_cast<std::uint32_t>(cpu);
  const MutexGuard guard(adding_);
  ProcessDispatcher* added = TakeParked(place);
  if (added == nullptr) {
    const std::uint32_t end = dispatchers_end_.load(std::memory_order_relaxed);
    if (end == abi::kDispatchersMax)
      return Status::kLimitExceeded;
    if (!TryHold())
      return Status::kNoProcess;
    const auto made = MakeDispatcher(end, place);
    if (!made.ok()) {
      Drop();
      return made.status();
    }
    added = made.value();
  }
  sched::Dispatcher& scheduled = added->scheduled();
  scheduled.user_state() = state;
  machine::InitVectorState(scheduled.vector_state());
  scheduled.InheritEntries(caller.scheduled());
  added->ActFor(main_number_);
  // Its end, or a stop, may have gone past the slot before it was filled.
  bool stopped = false;
  do {  // as ObeyStops does
    stopped = is_stopped();
    stopped ? scheduled.Stop() : scheduled.Continue();
  } while (stopped != is_stopped());
  // Under the task's lock nobody gives the process another share of the processors.
  const Status admitted = services_.tasks.Visit(main_number_, 0, [&](const Task&) {
    scheduled.InheritParameters(caller.scheduled());
    scheduled.Ask(sched::Dispatcher::kAdmit);
    return Status::kOk;
  });
  if (admitted != Status::kOk || ending_.load(std::memory_order_seq_cst))
    scheduled.Ask(sched::Dispatcher::kAdmit | sched::Dispatcher::kEnd);
  return added->index();
}

bool Process::OthersRun() const {
  bool any = false;
  ForEachDispatcher(
      [&](const ProcessDispatcher& each) { any |= each.index() != 0 && !each.parked(); });
  return any;
}

Status Process::Notify(std::uint64_t index) {
  ProcessDispatcher* dispatcher = DispatcherAt(index);
  if (dispatcher == nullptr)
    return Status::kInvalidArgument;
  dispatcher->scheduled().Post(abi::kEventMessage);
  return Status::kOk;
}

Status Process::CancelTicket(std::uint64_t number) {
  ProcessDispatcher* dispatcher = DispatcherAt(number / abi::kTicketCount);
  return dispatcher == nullptr ? Status::kInvalidArgument
                               : dispatcher->CancelTicket(number % abi::kTicketCount);
}

cobj::Ref<cobj::ITicketSink> Process::SinkOf(std::uint32_t number) const {
  const ProcessDispatcher* dispatcher = DispatcherAt(number / abi::kTicketCount);
  return dispatcher == nullptr ? cobj::Ref<cobj::ITicketSink>() : dispatcher->sink();
}

}  // namespace k42::proc
