// TaskTable: waiting for children. A parent's children are looked at in pieces, each under one hold
// of its lock; the tickets of those who wait are fired without it.
#include "machine/thread.h"
#include "proc/task_table.h"
#include "proc/ticket_number.h"

namespace k42::proc {

using machine::SpinGuard;

std::uint64_t ChildWaiter::TreeKey() const {
  return std::uint64_t{ticket.sink.bits()} << 32 | (ticket.number & (abi::kTicketCount - 1));
}

ChildWaiters::Added ChildWaiters::Add(ChildWaiter* waiter) {
  ChildWaiter* earlier = by_ticket_->Floor(waiter->TreeKey());
  if (earlier != nullptr && SameNumber(earlier->ticket, waiter->ticket)) {
    earlier->ticket = waiter->ticket;
    return Added::kInPlace;
  }
  if (by_ticket_->size() == kMost)
    return Added::kRefused;
  by_ticket_->Insert(waiter);
  all_.PushBack(waiter);
  return Added::kNew;
}

void ChildWaiters::TakeAll(List* list) {
  if (all_.empty())
    return;
  list->Append(all_);
  by_ticket_.emplace();
}

namespace {

bool Matches(const Task& parent, const Task& child, const WaitRequest& request) {
  switch (request.selector) {
    case Selector::kTask:
      return child.number == request.id;
    case Selector::kGroup:
      return child.group == (request.id == 0 ? parent.group.load() : request.id);
    default:
      return true;
  }
}

// What the child has to tell, and forgets when told. Under the parent's lock.
bool Report(Task& child, const WaitRequest& request, WaitResult* found) {
  const bool keep = (request.flags & kWaitKeep) != 0;
  found->user_ns = found->system_ns = found->peak_resident = 0;
  if (child.over.load(std::memory_order_relaxed)) {
    if ((request.flags & kWaitExited) == 0)
      return false;
    found->kind = child.exit_kind;
    found->code = child.exit_code;
    found->user_ns = child.user_ns;
    found->system_ns = child.system_ns;
    found->peak_resident = child.peak_resident;
  } else if (child.report_stop && (request.flags & kWaitStopped) != 0) {
    found->kind = ExitKind::kStopped;
    found->code = child.stop_signal;
    child.report_stop = keep;
  } else if (child.report_continue && (request.flags & kWaitContinued) != 0) {
    found->kind = ExitKind::kContinued;
    found->code = abi::kSignalContinue;
    child.report_continue = keep;
  } else {
    return false;
  }
  found->task = child.number;
  found->user = child.told_user;
  found->user_ns += child.children_user_ns;
  found->system_ns += child.children_system_ns;
  return true;
}

constexpr std::uint32_t kPiece = 16;  // children looked at in one hold

}  // namespace

// The next piece. kWouldBlock: look on, for it was not the last one. kPending: none had anything to
// tell when it was looked at. kOk: one had; `look.gone`: and is nobody's child any more.
Status TaskTable::LookLocked(Task& parent, const WaitRequest& request, Look& look,
                             WaitResult* found) {
  // The last one of the piece before may have gone: then all over again.
  if (look.last == nullptr || look.last->parent != &parent || !look.last->linked()) {
    look = {};
    look.news = parent.news;
  }
  Task* child = look.last == nullptr ? parent.children.Front() : parent.children.Next(look.last);
  for (std::uint32_t i = 0; i < kPiece && child != nullptr; ++i) {
    if (Matches(parent, *child, request)) {
      look.any = true;
      if (Report(*child, request, found)) {
        look.over = child->over.load(std::memory_order_relaxed) ? child : nullptr;
        if (look.over != nullptr && (request.flags & kWaitKeep) == 0) {
          parent.children_user_ns += found->user_ns;
          parent.children_system_ns += found->system_ns;
          IntrusiveList<Task, BySiblings>::Remove(child);
          look.gone = child;
        }
        return Status::kOk;
      }
    }
    look.last = child;
    child = parent.children.Next(child);
  }
  if (child != nullptr)
    return Status::kWouldBlock;
  look.is_late = look.news != parent.news;
  return look.any ? Status::kPending : Status::kNoChild;
}

Status TaskTable::WaitForOne(Task& parent, const TaskHost* host, const WaitRequest& request,
                             ChildWaiter** waiter, Look& look, WaitResult* found) {
  Status status = Status::kWouldBlock;
  for (; status == Status::kWouldBlock; machine::Thread::PreemptionPoint()) {
    SpinGuard guard(parent.lock, kChildrenHold);
    if (parent.host != host)
      return Status::kNoProcess;
    status = LookLocked(parent, request, look, found);
    if (status != Status::kPending || look.is_late)
      continue;
    if (*waiter == nullptr)
      return Status::kWouldBlock;
    const ChildWaiters::Added added = parent.waiters.Add(*waiter);
    if (added == ChildWaiters::Added::kRefused)
      return Status::kLimitExceeded;
    if (added == ChildWaiters::Added::kNew)
      *waiter = nullptr;
  }
  if (look.over != nullptr) {
    MarkListeners(*look.over);
    // Who has ended it may have told all before the last one came.
    if (look.over->listened.load())
      TellListeners();
  }
  if (look.gone != nullptr)
    Release(*look.gone);
  return status;
}

Status TaskTable::Wait(std::uint32_t caller, const WaitRequest& request, const cobj::Ticket& ticket,
                       WaitResult* found) {
  *found = {};
  const TaskHost* host = nullptr;
  Task* parent = FindOwn(caller, request.task, &host);
  if (parent == nullptr)
    return Status::kNoProcess;
  if (request.selector == Selector::kThread ||
      (request.flags & (kWaitExited | kWaitStopped | kWaitContinued)) == 0)
    return Status::kInvalidArgument;
  ChildWaiter* waiter = nullptr;
  if (ticket) {
    waiter = allocator_.Make<ChildWaiter>().ValueOr(nullptr);
    if (waiter != nullptr)
      waiter->ticket = ticket;
  }
  Look look;
  const Status status = WaitForOne(*parent, host, request, &waiter, look, found);
  if (waiter != nullptr)
    allocator_.Destroy(waiter);
  // Some had news behind the look's back: to ask again is worth while now.
  if (status == Status::kPending && look.is_late) {
    if (!ticket)
      return Status::kWouldBlock;
    (void)ticket.Fire(Status::kOk, 0);
  }
  return status == Status::kWouldBlock && ticket ? Status::kNoMemory : status;
}

}  // namespace k42::proc
