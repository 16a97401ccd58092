#include "ipc/ticket_sink.h"

#include "cobj/make.h"

namespace k42::ipc {

namespace {

constexpr machine::HoldReason kMoved{250, "a few sinks change lists"};

}  // namespace

Status TicketSink::Fire(std::uint32_t ticket, std::int64_t status, std::uint64_t value) {
  const TicketTable::Firing firing(tickets_);
  TRY(tickets_.Fire(ticket, static_cast<Status>(status), value));
  owner_->TicketFired();
  return Status::kOk;
}

Result<TicketSink*> TicketSinks::Take(TicketSink::Owner& owner, abi::DispatcherPage* page,
                                      TicketPages& results) {
  Local& here = Here();
  if (here.count == 0) {
    const machine::SpinGuard guard(lock_, kMoved);
    while (here.count < kBatch) {
      TicketSink* common = idle_.PopFront();
      if (common == nullptr)
        break;
      here.idle.PushBack(common);
      ++here.count;
    }
  }
  TicketSink* sink = here.idle.PopFront();
  if (sink != nullptr) {
    --here.count;
  } else {
    auto* root = TRY(cobj::node_objects->allocator().Make<cobj::SharedRoot<TicketSink>>());
    TRY(cobj::PublishRoot(root));
    sink = &root->rep();
  }
  sink->owner_ = &owner;
  sink->tickets_.Attach(page, results, cobj::node_objects->allocator());
  return sink;
}

void TicketSinks::Give(TicketSink* sink) {
  Local& here = Here();
  here.idle.PushFront(sink);
  if (++here.count <= 2 * kBatch)
    return;
  const machine::SpinGuard guard(lock_, kMoved);
  for (; here.count > kBatch; --here.count) {
    TicketSink* last = here.idle.Back();
    last->Unlink();
    idle_.PushBack(last);
  }
}

}  // namespace k42::ipc
