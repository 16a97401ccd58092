#include "ipc/call_table.h"

#include "cobj/object_system.h"

namespace k42::ipc {

namespace {

constexpr machine::HoldReason kQueued{1500, "up to 64 queued calls are looked at"};

}  // namespace

using machine::SpinGuard;

Result<CallTable*> CallTable::Create(Allocator& allocator, sched::Dispatcher& server,
                                     std::uint32_t slots, mem::FcmPinned* bulk,
                                     std::uint64_t bulk_user) {
  const auto made = allocator.Make<CallTable>(allocator, server, slots, bulk, bulk_user);
  if (!made.ok() && bulk != nullptr)
    bulk->DropReference();
  return made;
}

CallTable::CallTable(Allocator& allocator, sched::Dispatcher& server, std::uint32_t slots,
                     mem::FcmPinned* bulk, std::uint64_t bulk_user)
    : allocator_(allocator),
      server_(server),
      bulk_(bulk),
      bulk_user_(bulk_user),
      count_(slots),
      bulk_size_(bulk == nullptr ? 0 : static_cast<std::uint32_t>(bulk->size() / slots)),
      slots_(slots) {
  for (std::uint32_t i = 0; i < kMaxCallSlots; ++i) {
    calls_[i].slot = i;
    calls_[i].number = i;
    calls_[i].table = this;
  }
}

CallTable::~CallTable() {
  while (ReleasedObject* object = released_.PopFront()) allocator_.Destroy(object);
  if (bulk_ != nullptr)
    bulk_->DropReference();
}

void CallTable::Drop() {
  if (slots_.Drop())
    allocator_.Destroy(this);
}

void CallTable::Close() {
  const SpinGuard guard(lock_);
  closed_.store(true, std::memory_order_release);
}

bool CallTable::Push(Call& call) {
  const SpinGuard guard(lock_);
  if (closed_.load(std::memory_order_relaxed))
    return false;
  call.word.Queue();
  queue_.PushBack(&call);
  queued_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

Call* CallTable::Pop() {
  if (!has_queued())
    return nullptr;
  const SpinGuard guard(lock_);
  Call* call = queue_.PopFront();
  if (call != nullptr)
    queued_.fetch_sub(1, std::memory_order_relaxed);
  return call;
}

bool CallTable::Withdraw(Call& call) {
  if (!has_queued())
    return false;
  const SpinGuard guard(lock_, kQueued);
  bool found = false;
  for (std::uint32_t i = queued_.load(std::memory_order_relaxed); i != 0; --i) {
    Call* other = queue_.PopFront();
    if (other == &call)
      found = true;
    else
      queue_.PushBack(other);
  }
  if (found)
    queued_.fetch_sub(1, std::memory_order_relaxed);
  return found;
}

Result<ReleasedObject*> CallTable::NewObject(std::uint64_t cookie) {
  auto* object = TRY(allocator_.Make<ReleasedObject>());
  object->cookie = cookie;
  {
    const SpinGuard guard(lock_);
    if (objects_ < kMaxObjects) {
      ++objects_;
      return object;
    }
  }
  allocator_.Destroy(object);
  return Status::kLimitExceeded;
}

// Whoever has found the object by a handle, and not yet put it into a slot, has by then.
void CallTable::Released(ReleasedObject* object) {
  Hold();
  object->table = this;
  object->done = [](cobj::GraceWait* wait) {
    auto* const released = static_cast<ReleasedObject*>(wait);
    CallTable* const table = released->table;
    table->TellReleased(released);
    table->Drop();
  };
  cobj::node_objects->grace().AfterGlobal(object);
}

void CallTable::TellReleased(ReleasedObject* object) {
  bool told = false;
  {
    const SpinGuard guard(lock_);
    told = !closed_.load(std::memory_order_relaxed);
    if (told)
      released_.PushBack(object);
  }
  if (told)
    server_.Post(abi::kEventMessage);
  else
    allocator_.Destroy(object);
}

// A call that is at the object still: its method may be suspended in a call of its own.
bool CallTable::IsUsed(const ReleasedObject& object) const {
  for (std::uint32_t i = 0; i < count_; ++i) {
    const CallWord::State state = calls_[i].word.state();
    if (state != CallWord::kFree && state != CallWord::kDone && calls_[i].note.object == &object)
      return true;
  }
  return false;
}

// Whether one is used is asked without the lock: calls that were on their way to it when its last
// handle went are in their slots, and no other comes, so it only becomes less.
Result<std::uint64_t> CallTable::TakeReleased() {
  IntrusiveQueue<ReleasedObject> objects, used;
  {
    const SpinGuard guard(lock_);
    objects.Append(released_);
  }
  ReleasedObject* object = nullptr;
  while ((object = objects.PopFront()) != nullptr && IsUsed(*object)) used.PushBack(object);
  kept_back_ = !used.empty();
  {
    const SpinGuard guard(lock_);
    objects.Append(released_);  // what was released meanwhile
    objects.Append(used);
    released_.Append(objects);
    objects_ -= object != nullptr ? 1 : 0;
  }
  if (object == nullptr)
    return Status::kNotFound;
  const std::uint64_t cookie = object->cookie;
  allocator_.Destroy(object);
  return cookie;
}

Status CallTable::Send(const Message& message, const cobj::Ticket& retry) {
  using Pushed = MessageQueue<cobj::Ticket>::Pushed;
  {
    const SpinGuard guard(lock_);
    if (closed_.load(std::memory_order_relaxed))
      return Status::kEndpointDown;
    const Pushed pushed = messages_.Push(message);
    if (pushed == Pushed::kFull) {
      if (!retry)
        return Status::kWouldBlock;
      return messages_.AddWaiter(retry) ? Status::kPending : Status::kLimitExceeded;
    }
    if (pushed == Pushed::kMore)
      return Status::kOk;  // who sent the first one has told the server
  }
  server_.Post(abi::kEventMessage);
  return Status::kOk;
}

Status CallTable::TakeMessage(Message* message) {
  std::uint32_t tell = 0;
  {
    const SpinGuard guard(lock_);
    if (!messages_.Take(message, &tell))
      return Status::kNotFound;
  }
  TellWaiters(tell, Status::kOk);
  return Status::kOk;
}

void CallTable::EndWaiters() {
  TellWaiters(MessageQueue<cobj::Ticket>::kWaiters, Status::kEndpointDown);
}

void CallTable::TellWaiters(std::uint32_t most, Status status) {
  for (; most != 0; --most) {
    cobj::Ticket waiter;
    {
      const SpinGuard guard(lock_);
      if (!messages_.TakeWaiter(&waiter))
        return;
    }
    (void)waiter.Fire(status, 0);
  }
}

}  // namespace k42::ipc
