#include "sched/dispatcher.h"

#include "base/assert.h"
#include "machine/cpu.h"
#include "machine/stepped_range.h"
#include "machine/vector_state.h"
#include "sched/cpu_scheduler.h"
#include "sched/user_address.h"

namespace k42::sched {

Dispatcher::Dispatcher(DispatcherOwner& owner, abi::DispatcherPage* page, std::uint64_t user_page)
    : owner_(owner), page_(page), user_page_(user_page) {
  message_.handler = OnMessage;
  message_.dispatcher = this;
  machine::InitVectorState(vector_state_);
}

Dispatcher::~Dispatcher() {
  K42_ASSERT(requests_.quiet(), "its message is still in a queue");
}

void Dispatcher::Ask(std::uint32_t requests) {
  if (requests_.Ask(requests))
    machine::Send(cpu_, &message_);
}

void Dispatcher::Stop() {
  if (requests_.AskInstead(kStop, kContinue))
    machine::Send(cpu_, &message_);
}

void Dispatcher::Continue() {
  if (requests_.AskInstead(kContinue, kStop))
    machine::Send(cpu_, &message_);
}

void Dispatcher::OnMessage(machine::CpuMessage* message) {
  Dispatcher* self = static_cast<Message*>(message)->dispatcher;
  std::uint32_t requests = 0;
  {
    const machine::SteppedRange stepped;
    requests = self->requests_.Take();
  }
  CpuScheduler::Here().Apply(*self, requests);
}

void Dispatcher::Post(std::uint32_t events) {
  const machine::SteppedRange stepped;
  const std::uint32_t before = page_->pending.fetch_or(events, std::memory_order_seq_cst);
  if ((before & events) != events)
    Ask(kWake);
}

Status Dispatcher::SetEntries(const abi::DispatcherEntries& entries) {
  const std::uint64_t addresses[] = {entries.run_entry,   entries.trap_entry, entries.syscall_entry,
                                     entries.leave_begin, entries.leave_end,  entries.call_entry};
  for (const std::uint64_t address : addresses) {
    if (!IsUserAddress(address))
      return Status::kBadAddress;
  }
  if (entries.leave_begin > entries.leave_end)
    return Status::kInvalidArgument;
  // Neither of the two: a program that serves calls and is never upcalled otherwise.
  const bool calls_only =
      entries.run_entry == 0 && entries.trap_entry == 0 && entries.call_entry != 0;
  if (!calls_only && (entries.run_entry == 0 || entries.trap_entry == 0))
    return Status::kInvalidArgument;
  entries_ = entries;
  return Status::kOk;
}

void Dispatcher::SetTimer(std::uint64_t deadline_ns) {
  user_timer_.Cancel();
  if (deadline_ns == 0)
    return;
  user_timer_.Arm(
      deadline_ns, [](void* self) { static_cast<Dispatcher*>(self)->Post(abi::kEventTimer); },
      this);
}

}  // namespace k42::sched
