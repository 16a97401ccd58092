#include "cobj/swap.h"

#include <bit>

#include "base/assert.h"
#include "cobj/slot.h"
#include "trace/trace.h"

namespace k42::cobj {
namespace {

// Phases, as the trace shows them.
enum : std::uint64_t { kTraceForward, kTraceBlock, kTraceTransfer, kTraceDone, kTraceAbandoned };

}  // namespace

Status Swap::Negotiate() {
  Transferable* from = old_.transferable();
  Transferable* to = next_.transferable();
  if (from == nullptr)
    return old_.swapping() ? Status::kBusy : Status::kRefused;
  if (to == nullptr)
    return Status::kRefused;
  const TransferForms common = from->ExportForms() & to->ImportForms();
  if (common == 0)
    return Status::kRefused;
  form_ = static_cast<std::uint32_t>(std::countr_zero(common));
  return Status::kOk;
}

Status Swap::TakePlace(Mediator& mediator) {
  mediator_ = &mediator;
  MissGate& gate = node_objects->table().gate(bits_);
  if (!gate.Replace(&old_, &mediator)) {
    mediator.Dispose(node_objects->allocator());
    return gate.Peek() == nullptr ? Status::kDeleted : Status::kBusy;
  }
  return Status::kOk;
}

Status Swap::Run(std::uint64_t deadline_ns) {
  trace::Log(trace::kObjectSwap, bits_, kTraceForward);
  users_ = old_.Supersede();
  forwarding_.Start(users_, &ForwardStep, this);
  if (!forwarding_.Wait(deadline_ns))
    return Finish(Status::kTimedOut);

  trace::Log(trace::kObjectSwap, bits_, kTraceBlock);
  const CpuSet counted = mediator_->StartBlocking();
  users_ = users_ | counted;
  blocking_.Start(counted, &BlockStep, this);
  if (!blocking_.Wait(deadline_ns))
    return Finish(Status::kTimedOut);
  trace::Log(trace::kObjectSwap, bits_, kTraceTransfer);
  return Finish(Transfer());
}

// The slot is empty from now on; when the threads active on this CPU have ended, nobody is inside
// the old object uncounted.
bool Swap::ForwardStep(void* self, machine::CpuId cpu) {
  auto* swap = static_cast<Swap*>(self);
  ThisCpuSlot(swap->bits_).Reset();
  Marker& marker = swap->markers_[cpu];
  marker.steps = &swap->forwarding_;
  marker.done = [](GraceWait* wait) { static_cast<Marker*>(wait)->steps->Report(); };
  node_objects->grace().AfterLocal(&marker);
  return false;
}

void Swap::Dispose(Allocator& allocator) {
  allocator_ = &allocator;
  forwarding_.Leave(
      [](void* self) {
        auto* swap = static_cast<Swap*>(self);
        swap->allocator_->Destroy(swap);
      },
      this);
}

bool Swap::BlockStep(void* self, machine::CpuId) {
  return static_cast<Swap*>(self)->mediator_->BlockHere();
}

Status Swap::Transfer() {
  steps_.Start(users_, &ExportStep, this);
  (void)steps_.Wait();
  if (failure_.load(std::memory_order_relaxed) != Status::kOk)
    return failure_.load(std::memory_order_relaxed);
  steps_.Start(users_, &ImportStep, this);
  (void)steps_.Wait();
  return failure_.load(std::memory_order_relaxed);
}

bool Swap::ExportStep(void* self, machine::CpuId cpu) {
  auto* swap = static_cast<Swap*>(self);
  swap->Failed(swap->old_.transferable()->Export(swap->StepOf(cpu)));
  return true;
}

bool Swap::ImportStep(void* self, machine::CpuId cpu) {
  auto* swap = static_cast<Swap*>(self);
  swap->Failed(swap->next_.transferable()->Import(swap->StepOf(cpu)));
  return true;
}

void Swap::Failed(Status status) {
  if (status != Status::kOk)
    failure_.store(status, std::memory_order_relaxed);
}

// Calls go to the new object, or, abandoned, to the old one again.
Status Swap::Finish(Status outcome) {
  trace::Log(trace::kObjectSwap, bits_, outcome == Status::kOk ? kTraceDone : kTraceAbandoned);
  Root& successor = outcome == Status::kOk ? next_ : old_;
  if (outcome == Status::kOk) {
    next_.SetBits(bits_);
    next_.SetHolders(users_);
    next_.SetInstance(old_.instance());
    old_.SetInstance(nullptr);
  } else {
    old_.Reopen();
  }
  const bool replaced = node_objects->table().gate(bits_).Replace(mediator_, &successor);
  K42_ASSERT(replaced, "nobody else changes the gate during a swap");
  // A destroy that came before is ours to do; a later one finds the successor.
  const Mediator::Ending ending = mediator_->End();
  steps_.Start(ending.cpus, &EndStep, this);
  (void)steps_.Wait();
  blocking_.Settle();
  if (outcome == Status::kOk)
    node_objects->Retire(old_);
  mediator_->Release();
  if (ending.destroy)
    (void)node_objects->Destroy(bits_);
  return outcome;
}

bool Swap::EndStep(void* self, machine::CpuId) {
  static_cast<Swap*>(self)->mediator_->EndHere();
  return true;
}

}  // namespace k42::cobj
