#include "ipc/ticket_sink.h"

#include "cobj/make.h"

namespace k42::ipc {

Status TicketSink::Fire(std::uint32_t ticket, std::int64_t status, std::uint64_t value) {
  TRY(tickets_.Fire(ticket, static_cast<Status>(status), value));
  owner_->TicketFired();
  return Status::kOk;
}

Result<TicketSink*> TicketSinks::Take(TicketSink::Owner& owner, abi::DispatcherPage* page,
                                      TicketPages& results) {
  TicketSink* sink = nullptr;
  {
    const machine::SpinGuard guard(lock_);
    sink = idle_.PopFront();
  }
  if (sink == nullptr) {
    auto* root = TRY(cobj::node_objects->allocator().Make<cobj::SharedRoot<TicketSink>>());
    TRY(cobj::PublishRoot(root));
    sink = &root->rep();
  }
  sink->owner_ = &owner;
  sink->tickets_.Attach(page, results, cobj::node_objects->allocator());
  return sink;
}

void TicketSinks::Give(TicketSink* sink) {
  const machine::SpinGuard guard(lock_);
  idle_.PushBack(sink);
}

}  // namespace k42::ipc
