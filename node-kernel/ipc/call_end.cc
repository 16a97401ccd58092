#include "ipc/call_end.h"

#include <cstring>

#include "abi/native_call.h"
#include "cobj/hold.h"
#include "ipc/exported.dispatch.h"
#include "machine/clock.h"
#include "machine/interrupts.h"
#include "machine/local_table.h"
#include "machine/thread.h"
#include "machine/user_copy.h"
#include "sched/cpu_scheduler.h"
#include "sched/frame.h"
#include "sched/hand_over.h"

namespace k42::ipc {

using machine::InterruptsOff;
using machine::TrapFrame;
using sched::CpuScheduler;
using sched::Dispatcher;
using sched::Entity;
using State = Dispatcher::State;
using Word = CallWord;

namespace {

// What a server may answer. Others would be taken for the kernel's word on tickets.
Status Sane(std::int64_t status) {
  constexpr std::int64_t kLowest = -9999;
  if (status > 0 || status < kLowest || status == static_cast<std::int64_t>(Status::kPending))
    return Status::kCorrupt;
  return static_cast<Status>(status);
}

// Whether the result says how much of it there is.
bool IsCut(std::uint32_t flags, const BulkPart& part) {
  return part.buffer && (flags & abi::kServedSize) != 0;
}

}  // namespace

Status CallEnd::Open(CallTable* table) {
  if (table_ != nullptr)
    return Status::kAlreadyExists;
  table_ = table;
  reached_elsewhere_ = true;
  return Status::kOk;
}

Entity& CallEnd::PayerOf(const Call* serving) {
  CallEnd* end = this;
  for (; serving != nullptr; serving = serving->outer) {
    if (serving->remote || serving->caller == nullptr)
      return const_cast<Call*>(serving)->time;
    end = serving->caller;
  }
  return end->dispatcher_;
}

// Has it, idle now, something to do? What came while it was busy has told it in vain.
// `calls`: those of its own that can have ended.
inline bool CallEnd::HasWork(const Call* calls) const {
  for (const Call* call = calls; call != nullptr; call = call->next_of_caller) {
    if (call->word.state() == Word::kDone)
      return true;
  }
  return (table_ != nullptr && table_->has_queued()) ||
         (in_serve_ && dispatcher_.page()->pending.load(std::memory_order_seq_cst) != 0);
}

// The present frame, in which the words are, enters the server's code. RCX and R11 of a call's
// frame are zero.
inline void CallEnd::Enter(const Call& call, const Told& told, TrapFrame* frame) {
  dispatcher_.page()->disabled = 1;
  frame->rax = call.number;
  frame->rbx = told.cookie;
  frame->rbp = told.method;
  frame->r12 = call.note.identity;
  frame->r13 = told.rights;
  frame->r14 = frame->r15 = frame->rsp = 0;
  frame->rip = dispatcher_.entries().call_entry;
  frame->rflags = sched::kFixedFlags;
}

// -- caller ---------------------------------------------------------------------------------------

// Nobody has been called.
[[gnu::noinline, gnu::cold]] void CallEnd::Refuse(TrapFrame* frame, Status status) {
  frame->rax = static_cast<std::uint64_t>(status);
  frame->rdx = 0;
}
[[gnu::noinline, gnu::cold]] void CallEnd::Refuse(TrapFrame* frame, Call& call, Status status) {
  CallTable& table = *call.table;
  // An object's end may have been kept back for this call alone.
  if (!table.closed())
    table.server().Post(abi::kEventMessage);
  table.Give(call);
  Refuse(frame, status);
}

// The frame becomes the server's, and interrupts are off; or the call is refused, or queued.
[[gnu::always_inline]] inline void CallEnd::Begin(TrapFrame* frame, CallTable& table, Call& call,
                                                  const Told& told, bool plain) {
  machine::DisableInterrupts();
  // While arguments were copied the server may have ended, or this caller been told to.
  if (table.closed()) [[unlikely]] {
    machine::EnableInterrupts();
    return Refuse(frame, call, Status::kEndpointDown);
  }
  Dispatcher& server = table.server();
  if (server.cpu() != dispatcher_.cpu() || !server.IsCallable() || !dispatcher_.may_hand_over())
      [[unlikely]]
    return Enqueue(frame, call, told.cookie, told.method, told.rights);
  call.remote = false;
  call.plain = plain;
  call.back.Save(*frame, *dispatcher_.page());
  CallEnd& end = *server.calls;
  end.Enter(call, told, frame);
  call.caller = this;
  call.outer = serving_;
  Call* const others = calls_;
  call.next_of_caller = others;
  calls_ = &call;
  serving_ = nullptr;
  call.word.Run();
  end.serving_ = &call;
  CpuScheduler& here = CpuScheduler::InUse();
  here.HandOver(dispatcher_, server, dispatcher_.payer());
  if (HasWork(others)) [[unlikely]]
    here.WakeIdle(dispatcher_);
}

// The thread need not be active: until the frame is the server's it does not give up the CPU, and
// for as long no grace period of this CPU ends. What goes another way begins with BecomeActive.
void CallEnd::CallOut(TrapFrame* frame, cobj::RefBits object, std::uint32_t rights,
                      std::uint32_t method, std::uint64_t identity) {
  // Not by Ref, which wants an active thread.
  const auto found = static_cast<IExported*>(machine::LoadSlot(object))->Target();
  if (!found.ok()) [[unlikely]]
    return Refuse(frame, found.status());
  const ExportTarget& target = *found.value();
  if (method >= target.method_count) [[unlikely]]
    return Refuse(frame, Status::kNoMethod);
  const abi::ServedMethod& shape = target.method[method];
  if ((shape.rights & ~rights) != 0) [[unlikely]]
    return Refuse(frame, Status::kPermissionDenied);
  CallTable& table = *target.table;
  Call* const call = table.Take();
  if (call == nullptr) [[unlikely]]
    return Refuse(frame, table.closed() ? Status::kEndpointDown : Status::kBusy);
  call->flags = shape.flags;
  call->layout.count = 0;
  call->note.identity = identity;
  // From here on the server does not hear that the object is gone; nor could it before, within the
  // grace period that its end waits for (exported_object.h).
  call->note.object = target.object;
  if ((target.long_methods >> method & 1) != 0) [[unlikely]]
    return CallAtLength(frame, *call, target, method, rights);
  Begin(frame, table, *call, {target.cookie, target.object, method, rights}, true);
}

[[gnu::noinline]] void CallEnd::CallAtLength(TrapFrame* frame, Call& call,
                                             const ExportTarget& target, std::uint32_t method,
                                             std::uint32_t rights) {
  machine::Thread::BecomeActive();
  const Told told = {target.cookie, target.object, method, rights};
  const Status status = CopyIn(call, abi::ServedMethod(target.method[method]), frame);
  if (status != Status::kOk)
    return Refuse(frame, call, status);
  Begin(frame, *call.table, call, told, false);
}

// Comes back only if the call is refused.
[[gnu::noinline]] void CallEnd::Enqueue(TrapFrame* frame, Call& call, std::uint64_t cookie,
                                        std::uint32_t method, std::uint32_t rights) {
  machine::Thread::BecomeActive();
  if (dispatcher_.ending()) {
    machine::EnableInterrupts();
    return Refuse(frame, call, Status::kCancelled);
  }
  call.remote = call.table->server().cpu() != dispatcher_.cpu();
  call.caller = this;
  call.outer = serving_;
  call.back.Save(*frame, *dispatcher_.page());
  call.plain = false;
  call.note.cookie = cookie;
  call.note.method = method;
  call.note.rights = rights;
  call.words[0] = frame->rdi, call.words[1] = frame->rsi, call.words[2] = frame->rdx;
  call.words[3] = frame->r10, call.words[4] = frame->r8, call.words[5] = frame->r9;
  const Entity& payer = dispatcher_.payer();
  call.time.band = payer.band, call.time.weight = payer.weight;
  call.time.quantum_ns = payer.quantum_ns, call.time.usage = payer.usage;
  call.time.account.Clear();
  reached_elsewhere_ |= call.remote;  // before its server can end the call
  if (!call.table->Push(call)) {
    machine::EnableInterrupts();
    return Refuse(frame, call, Status::kEndpointDown);
  }
  call.next_of_caller = calls_;
  calls_ = &call;
  serving_ = nullptr;
  call.table->server().Ask(Dispatcher::kCall);
  CpuScheduler::Here().GoIdle();
}

// The words that are addresses become the server's. May wait, so that the object may go meanwhile:
// its description is a copy.
Status CallEnd::CopyIn(Call& call, const abi::ServedMethod& shape, TrapFrame* frame) {
  CallTable& table = *call.table;
  std::uint64_t* const registers[abi::kCallWords] = {&frame->rdi, &frame->rsi, &frame->rdx,
                                                     &frame->r10, &frame->r8,  &frame->r9};
  std::uint64_t words[abi::kCallWords];
  for (std::uint32_t i = 0; i < abi::kCallWords; ++i) words[i] = *registers[i];
  TRY(LayOut(shape, words, table.bulk_size(), &call.layout));
  std::uint32_t index = 0;
  for (std::uint32_t word = 0; word < abi::kCallWords; ++word) {
    const abi::WordKind kind = abi::KindOfWord(shape.word[word]);
    if (kind == abi::WordKind::kValue || kind == abi::WordKind::kSize)
      continue;
    const BulkPart& part = call.layout.part[index++];
    if (part.size != 0) {  // else there may be no bulk at all
      std::byte* bulk = table.BulkOf(call) + part.offset;
      if (part.in)
        TRY(machine::CopyIn(bulk, part.user, part.size));
      else if (!IsCut(call.flags, part))
        std::memset(bulk, 0, part.size);  // all of it goes back, where earlier callers' bytes lie
    }
    *registers[word] = table.UserBulkOf(call) + part.offset;
  }
  return Status::kOk;
}

// The caller's thread, its space loaded: results to where it wants them. Gives the call back.
void CallEnd::Complete(Call& call, TrapFrame* frame) {
  CallTable& table = *call.table;
  Status status = call.status;
  std::uint64_t value = status == Status::kOk ? call.value : 0;
  for (std::uint32_t i = 0; i < call.layout.count && status == Status::kOk; ++i) {
    const BulkPart& part = call.layout.part[i];
    if (part.in)
      continue;
    const bool cut = IsCut(call.flags, part);
    if (cut && value > part.size) {
      status = Status::kCorrupt;  // callers rely on it as for the kernel's objects
      break;
    }
    const std::uint64_t size = cut ? value : part.size;
    if (size != 0)
      status = machine::CopyOut(part.user, table.BulkOf(call) + part.offset, size);
  }
  if (call.object) {
    if (status == Status::kOk) {
      const Result<abi::Handle> granted = handles_.Grant(call.object);
      status = granted.status();
      value = granted.ValueOr(0);
    }
    cobj::Release(call.object);
    call.object = {};
  }
  table.Give(call);
  frame->rax = static_cast<std::uint64_t>(status);
  frame->rdx = status == Status::kOk ? value : 0;
}

inline void CallEnd::Forget(Call& call) {
  Call** at = &calls_;
  while (*at != &call) at = &(*at)->next_of_caller;
  *at = call.next_of_caller;
}

// -- server ---------------------------------------------------------------------------------------

void CallEnd::Return(TrapFrame* frame, std::uint64_t number, std::int64_t status,
                     std::uint64_t value) {
  Call* const call = serving_;
  if (call == nullptr || call->number != number) [[unlikely]] {
    frame->rax = static_cast<std::uint64_t>(Status::kInvalidArgument);
    frame->rdx = 0;
    return;
  }
  const Status answer = Sane(status);
  // A caller of this CPU that waits for nothing but this, and for words alone.
  if (!call->plain || !dispatcher_.may_hand_over() || table_->keeps_back() ||
      call->caller->dispatcher_.state() != State::kIdle) [[unlikely]]
    return ReturnAtLength(frame, *call, answer, value);
  CallEnd* const back = call->caller;
  machine::DisableInterrupts();
  serving_ = nullptr;
  back->Forget(*call);
  back->serving_ = call->outer;
  call->back.Load(frame, back->dispatcher_.page(), static_cast<std::uint64_t>(answer),
                  answer == Status::kOk ? value : 0);
  table_->Give(*call);  // on one CPU nobody looks at it between its end and this
  CpuScheduler& here = CpuScheduler::InUse();
  here.HandOver(dispatcher_, back->dispatcher_, back->PayerOf(back->serving_));
  if (HasWork(calls_)) [[unlikely]]
    here.WakeIdle(dispatcher_);
}

[[gnu::noinline]] void CallEnd::ReturnAtLength(TrapFrame* frame, Call& call, Status status,
                                               std::uint64_t value) {
  machine::Thread::BecomeActive();  // objects are looked at; a remote caller may end meanwhile
  call.status = status;
  call.value = value;
  if ((call.flags & abi::kServedHandle) != 0 && status == Status::kOk)
    TakeResultObject(call);
  CpuScheduler& here = CpuScheduler::InUse();
  CallEnd* const back = call.caller;
  serving_ = nullptr;
  // The call's account is not ours to charge once the call has ended.
  if (call.remote || back == nullptr)
    here.LeavePayer(dispatcher_);
  if (call.remote) {
    if (call.word.End())
      back->dispatcher_.Ask(Dispatcher::kReply);
    else
      Discard(call);
    TellOfKeptBack();
    here.GoIdle();
  }
  if (back == nullptr) {
    Discard(call);
    TellOfKeptBack();
    here.GoIdle();
  }
  call.word.End();
  TellOfKeptBack();
  if (back->dispatcher_.state() != State::kIdle)
    here.GoIdle();  // it is at something else, and sees to this when it is idle again
  if (here.current() != &dispatcher_ || dispatcher_.ending()) {
    back->dispatcher_.Ask(Dispatcher::kReply);  // taking the object waited: no hand-off from here
    here.GoIdle();
  }
  machine::DisableInterrupts();
  back->Forget(call);
  back->serving_ = call.outer;
  call.back.Load(frame, back->dispatcher_.page(), static_cast<std::uint64_t>(call.status),
                 call.status == Status::kOk ? value : 0);
  here.HandOver(dispatcher_, back->dispatcher_, back->PayerOf(call.outer));
  if (HasWork(calls_))
    here.WakeIdle(dispatcher_);
  machine::EnableInterrupts();
  back->Complete(call, frame);
}

void CallEnd::TellOfKeptBack() {
  if (table_->TakeKeptBack()) [[unlikely]]
    dispatcher_.Post(abi::kEventMessage);
}

bool CallEnd::ServesObject(const cobj::ObjectRef& object) const {
  if (object.info != &kExportedInfo)
    return false;
  const auto target = cobj::Ref<IExported>::FromBits(object.ref)->Target();
  return target.ok() && target.value()->table == table_;
}

// The server's handle moves to the caller: of an object of its own, or one that it may pass on.
void CallEnd::TakeResultObject(Call& call) {
  cobj::ObjectRef object;
  const auto handle = static_cast<abi::Handle>(call.value);
  Status status = call.value > UINT32_MAX ? Status::kBadHandle : handles_.Resolve(handle, &object);
  if (status == Status::kOk && (abi::HandleIndex(handle) < abi::kFirstFreeHandleIndex ||
                                ((object.rights & kRightGrant) == 0 && !ServesObject(object))))
    status = Status::kPermissionDenied;
  if (status == Status::kOk)
    status = cobj::Hold(object);
  if (status != Status::kOk) {
    call.status = Status::kCorrupt;  // the server's fault
    return;
  }
  call.object = object;
  (void)handles_.Close(handle);
}

void CallEnd::Serve(TrapFrame* frame) {
  frame->rdx = 0;
  if (serving_ != nullptr) {
    frame->rax = static_cast<std::uint64_t>(Status::kInvalidArgument);
    return;
  }
  frame->rax = 0;
  if (dispatcher_.page()->pending.load(std::memory_order_seq_cst) != 0)
    return;
  const InterruptsOff off;
  serve_.Save(*frame, *dispatcher_.page());
  in_serve_ = true;
  CpuScheduler::Here().GoIdle();
}

bool CallEnd::FindActivity() {
  abi::UserState& state = dispatcher_.user_state();
  abi::DispatcherPage* page = dispatcher_.page();
  for (Call* call = calls_; call != nullptr; call = call->next_of_caller) {
    if (call->word.state() != Word::kDone)
      continue;
    Forget(*call);
    if (call->remote) {
      Entity& payer = PayerOf(call->outer);
      const std::uint64_t ran = call->time.account.charged_ns();
      payer.account.Add(ran);
      payer.usage.Charge(ran, payer.weight, machine::MonotonicNs());
    }
    serving_ = call->outer;
    completing_ = call;
    dispatcher_.finish_first = true;
    call->back.Load(&state, page);
    dispatcher_.SetPayer(PayerOf(serving_));
    return true;
  }
  if (in_serve_ && page->pending.load(std::memory_order_seq_cst) != 0) {
    in_serve_ = false;
    serving_ = nullptr;
    serve_.Load(&state, page);
    dispatcher_.SetPayer(dispatcher_);
    return true;
  }
  if (table_ == nullptr || dispatcher_.entries().call_entry == 0)
    return false;
  while (Call* call = table_->Pop()) {
    if (!call->word.Begin()) {
      GiveUp(*call);
      continue;
    }
    serving_ = call;
    TrapFrame frame = {};
    frame.rdi = call->words[0], frame.rsi = call->words[1], frame.rdx = call->words[2];
    frame.r10 = call->words[3], frame.r8 = call->words[4], frame.r9 = call->words[5];
    const CallNote& note = call->note;
    Enter(*call, {note.cookie, note.object, note.method, note.rights}, &frame);
    sched::StateFromFrame(frame, &state);
    dispatcher_.SetPayer(PayerOf(call));
    return true;
  }
  return false;
}

void CallEnd::FinishFirst(TrapFrame* frame) {
  Call* call = completing_;
  completing_ = nullptr;
  if (call != nullptr)
    Complete(*call, frame);
}

}  // namespace k42::ipc
