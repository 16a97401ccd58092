// Process: signals. The rules are the task table's.
#include "proc/process.h"

namespace k42::proc {

Result<std::uint32_t> Process::Kill(const cobj::CallContext& caller, const SignalRequest& request) {
  return services_.tasks.Kill(Number(caller), request);
}

Status Process::TakeSignal(const cobj::CallContext& caller, std::uint32_t task,
                           std::uint64_t allowed, SignalInfo& info) {
  return services_.tasks.Take(Number(caller), task, allowed, &info);
}

Result<std::uint64_t> Process::PendingSignals(const cobj::CallContext& caller, std::uint32_t task) {
  return services_.tasks.Pending(Number(caller), task);
}

Status Process::Stop(const cobj::CallContext& caller, std::uint32_t task, std::uint32_t signal) {
  return services_.tasks.Stop(Number(caller), task, signal);
}

}  // namespace k42::proc
