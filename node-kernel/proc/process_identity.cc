// Process: groups, sessions, credentials, limits, scheduling parameters.
#include <algorithm>

#include "proc/process.h"
#include "sched/policy.h"

namespace k42::proc {

Status Process::SetGroup(const cobj::CallContext& caller, std::uint32_t task, std::uint32_t group) {
  return services_.tasks.SetGroup(Number(caller), task, group);
}

Result<std::uint32_t> Process::NewSession(const cobj::CallContext& caller) {
  return services_.tasks.NewSession(Number(caller));
}

Status Process::GetCredential(const cobj::CallContext& caller, std::uint32_t task,
                              Credential& credential) {
  return services_.tasks.GetCredential(Number(caller), task, &credential);
}

Status Process::SetCredential(const cobj::CallContext& caller, std::uint32_t task,
                              std::uint32_t flags, const Credential& credential) {
  return services_.tasks.SetCredential(Number(caller), task, (flags & kCredentialGroups) != 0,
                                       credential);
}

Status Process::GetLimit(const cobj::CallContext& caller, std::uint32_t task, LimitKind kind,
                         Limit& limit) {
  if (task != 0 && task != Number(caller))
    TRY(services_.tasks.RequireControl(Number(caller), task));
  return services_.tasks.Visit(Number(caller), task, [&](Task& found) {
    limit = found.limits[static_cast<std::uint32_t>(kind)];
    return Status::kOk;
  });
}

// Handles that are no descriptors of the program: its folder, its image, what a call has in hand.
constexpr std::uint32_t kOwnHandles = 256;

Status Process::SetLimit(const cobj::CallContext& caller, std::uint32_t task, LimitKind kind,
                         const Limit& limit) {
  if (limit.soft > limit.hard)
    return Status::kInvalidArgument;
  Process* other = TRY(HoldOther(caller, task));
  Credential credential;
  Status status = services_.tasks.GetCredential(Number(caller), 0, &credential);
  if (status == Status::kOk) {
    status = services_.tasks.Visit(Number(caller), task, [&](Task& found) {
      Limit& kept = found.limits[static_cast<std::uint32_t>(kind)];
      if (limit.hard > kept.hard && credential.effective_user != 0)
        return Status::kPermissionDenied;
      kept = limit;
      return Status::kOk;
    });
  }
  if (status == Status::kOk && kind == LimitKind::kHandles)
    other->handles_.SetLimit(static_cast<std::uint32_t>(
        std::min<std::uint64_t>(limit.soft, ipc::HandleTable::kIndexCount) + kOwnHandles));
  if (status == Status::kOk && kind == LimitKind::kAddressSpace)
    other->space_->SetLimit(limit.soft);
  if (status == Status::kOk && other != this)
    other->first()->scheduled().Post(abi::kEventLimits);
  other->Drop();
  return status;
}

Status Process::GetSchedule(const cobj::CallContext& caller, std::uint32_t task,
                            Schedule& schedule) {
  return services_.tasks.Visit(Number(caller), task, [&](Task& found) {
    auto* process = static_cast<Process*>(found.host);
    if (process == nullptr)
      return Status::kNoProcess;
    const sched::Dispatcher& dispatcher = process->first()->scheduled();
    schedule = {};
    schedule.cpus = process->cpus_;
    schedule.band = static_cast<std::uint32_t>(dispatcher.band);
    schedule.nice = found.nice;
    schedule.weight = dispatcher.weight == sched::WeightOf(found.nice) ? 0 : dispatcher.weight;
    schedule.quantum_ns = dispatcher.quantum_ns;
    return Status::kOk;
  });
}

Status Process::SetSchedule(const cobj::CallContext& caller, std::uint32_t task,
                            const Schedule& schedule) {
  sched::Parameters wanted;
  if (schedule.band >= sched::kBands)
    return Status::kInvalidArgument;
  wanted.band = static_cast<sched::Band>(schedule.band);
  wanted.nice = schedule.nice;
  wanted.quantum_ns = schedule.quantum_ns == 0 ? sched::kQuantum : schedule.quantum_ns;
  wanted.cpus = schedule.cpus;
  wanted.weight = schedule.weight;
  if (!sched::IsValid(wanted))
    return Status::kInvalidArgument;
  TRY(services_.tasks.RequireControl(Number(caller), task));
  Credential credential;
  TRY(services_.tasks.GetCredential(Number(caller), 0, &credential));
  return services_.tasks.Visit(
      Number(caller), task,
      [&](Task& found) {
        auto* process = static_cast<Process*>(found.host);
        if (process == nullptr)
          return Status::kNoProcess;
        const sched::Dispatcher& dispatcher = process->first()->scheduled();
        const std::uint32_t weight =
            wanted.weight != 0 ? wanted.weight : sched::WeightOf(wanted.nice);
        const bool more =
            wanted.nice < found.nice || wanted.band < dispatcher.band || weight > dispatcher.weight;
        if (more && credential.effective_user != 0)
          return Status::kPermissionDenied;
        found.nice = wanted.nice;
        process->cpus_ = wanted.cpus;
        // Each is one word that the dispatcher's CPU reads when it next decides; the band counts
        // from the next time the dispatcher becomes ready, since a queue is found by it.
        process->ForEachDispatcher(
            [&](ProcessDispatcher& each) { each.scheduled().SetParameters(wanted); });
        return Status::kOk;
      },
      kDispatchersHold);
}

}  // namespace k42::proc
