#include "proc/process_dispatcher.h"

#include "machine/thread.h"
#include "proc/map_at.h"
#include "proc/process.h"
#include "sched/cpu_scheduler.h"

namespace k42::proc {

namespace {

constexpr std::uint64_t UserPage(std::uint32_t index) {
  return abi::kDispatcherBase + index * abi::kDispatcherStride;
}

abi::DispatcherPage* PageOf(mem::FcmOnDemand* pages) {
  return pages->data<abi::DispatcherPage>(0);
}

}  // namespace

ProcessDispatcher::ProcessDispatcher(Process& process, std::uint32_t index, mem::FcmOnDemand* pages)
    : process_(process),
      index_(index),
      pages_(pages),
      scheduled_(*this, PageOf(pages), UserPage(index)),
      calls_(scheduled_, process.handles()),
      fault_(this) {
  abi::DispatcherPage* page = PageOf(pages);
  page->self = reinterpret_cast<abi::DispatcherPage*>(UserPage(index));
  page->disabled = 1;
  page->dispatcher_index = index;
  scheduled_.calls = &calls_;
}

Status ProcessDispatcher::TakeSink() {
  sink_ = TRY(process_.services().sinks.Take(*this, PageOf(pages_), *this));
  return Status::kOk;
}

ProcessDispatcher::~ProcessDispatcher() {
  if (blocked_ != nullptr)
    process_.services().allocator.Destroy(blocked_);
  if (trace_ != nullptr)
    process_.services().traces.End(trace_);
  if (sink_ != nullptr)
    process_.services().sinks.Give(sink_);
  pages_->DropReference();
}

ProcessDispatcher* ProcessDispatcher::Current() {
  sched::Dispatcher* current = sched::Dispatcher::Current();
  return current == nullptr ? nullptr : &Of(*current);
}

Result<std::uint64_t> ProcessDispatcher::TraceBuffer() {
  const std::uint64_t address = user_page() + abi::kTraceBufferOffset;
  if (trace_ == nullptr) {
    TraceBuffers& traces = process_.services().traces;
    TraceBuffers::Entry* taken = TRY(traces.Take(process_.main_task()));
    mem::FcmPinned* pages = taken->pages();
    const Status status =
        MapAt(process_.space(), address, pages->size(), mem::kProtectRead | mem::kProtectWrite,
              pages, 0, true, mem::ForkPolicy::kOmit);
    if (status != Status::kOk) {
      traces.End(taken);
      return status;
    }
    trace_ = taken;
  }
  PageOf(pages_)->trace_buffer = address;
  return address;
}

void ProcessDispatcher::Reset() {
  calls_.Restart();
  // What callers passed is not for the next program.
  if (const ipc::CallTable* table = calls_.table(); table != nullptr && table->bulk_bytes() != 0)
    (void)process_.space().Unmap(table->bulk_user(), table->bulk_bytes());
  calls_.GiveBack();
  sink_->tickets().CancelAll();
  scheduled_.ForgetEntries();
  scheduled_.SetTimer(0);
  abi::DispatcherPage* page = scheduled_.page();
  page->disabled = 1;
  // A signal or limit that has come meanwhile is the task's still.
  page->pending.fetch_and(abi::kEventSignal | abi::kEventLimits, std::memory_order_relaxed);
  page->thread = nullptr;
  page->stack = 0;
  page->faults_completed.store(0, std::memory_order_relaxed);
  fault_.Forget();
  if (blocked_ != nullptr)
    blocked_->ForgetFailures();
  if (trace_ == nullptr)
    page->trace_buffer = 0;  // a refusal is the old program's
}

void ProcessDispatcher::Park() {
  Reset();
  ActFor(process_.main_task());
  sched::CpuScheduler::Here().Park();
}

void ProcessDispatcher::LoadSpace() {
  mem::AddressSpace& space = process_.space();
  machine::Thread::Current()->context().space = &space;
  space.Activate();
}

void ProcessDispatcher::Ended() {
  process_.Drop();
}

void ProcessDispatcher::OnPage(mem::FaultWaiter* waiter) {
  static_cast<Fault*>(waiter)->owner->scheduled_.Ask(sched::Dispatcher::kFaultDone);
}

void ProcessDispatcher::WaitForPage(machine::TrapFrame* frame) {
  sched::CpuScheduler::Here().Wait(frame, sched::Dispatcher::kFaultDone, 0);
}

Status ProcessDispatcher::TakeFaultStatus(std::uint64_t address) {
  const Status status = fault_.TakeFailure(address);
  return status == Status::kOk && blocked_ != nullptr ? blocked_->TakeFailure(address) : status;
}

BlockedFaults::Fault* ProcessDispatcher::TakeBlockedFault(std::uint64_t address) {
  if (blocked_ == nullptr) {
    const auto made = process_.services().allocator.Make<BlockedFaults>(*this, PageOf(pages_));
    if (!made.ok())
      return nullptr;
    blocked_ = made.value();
  }
  BlockedFaults::Fault* fault = blocked_->Take(address);
  if (fault != nullptr && !process_.TryHold()) {
    blocked_->Return(fault);
    return nullptr;
  }
  return fault;
}

void ProcessDispatcher::ReturnBlockedFault(BlockedFaults::Fault* fault) {
  blocked_->Return(fault);
  process_.Drop();
}

void ProcessDispatcher::FaultOver() {
  scheduled_.Post(abi::kEventFault);
  process_.Drop();
}

}  // namespace k42::proc
