// CallTable: the calls that may be under way at one server dispatcher, and what they need: slots,
// their bulk (pages that the kernel shares with the server), the queue of those that could not be
// begun at once, and the server's objects that nobody names any more.
//
// Life: counted in SlotWord: the server's dispatcher, each exported object, each taken slot. When
// the server ends, the table is *closed*: nothing is queued any more.
//
// Locking: lock_ guards the queue and the list of released objects, and closing. The state of a
// call is its own word (call_word.h). What is in a Call belongs to its caller while free or
// filling, to the server's CPU while queued or running, to the caller again once it is done.
#pragma once

#include <atomic>
#include <cstdint>

#include "abi/served_call.h"
#include "base/allocator.h"
#include "base/intrusive_queue.h"
#include "base/result.h"
#include "cobj/grace.h"
#include "cobj/interface_info.h"
#include "cobj/ticket.h"
#include "ipc/call_shape.h"
#include "ipc/call_word.h"
#include "ipc/message_queue.h"
#include "ipc/slot_word.h"
#include "machine/spin_lock.h"
#include "mem/fcm_pinned.h"
#include "sched/continuation.h"
#include "sched/dispatcher.h"

namespace k42::ipc {

class CallEnd;
class CallTable;

struct ReleasedObject;

inline constexpr std::uint64_t kNextCall = 0x100;  // from one number of a slot to the next

// What the server is told of a call, beside its number and words (abi/served_call.h).
struct CallNote {
  std::uint64_t cookie = 0;
  std::uint64_t identity = 0;
  std::uint32_t method = 0;
  std::uint32_t rights = 0;
  const ReleasedObject* object = nullptr;  // whose call it is: not told
};

// One call. `caller` and `outer` are looked at on the caller's own CPU only. Of a size that makes
// it cheap to find by its slot.
struct alignas(512) Call : QueueLink<> {
  CallWord word;
  std::uint32_t slot = 0;
  std::uint64_t number = 0;  // bits 7:0 the slot, the rest counts the calls that had it
  CallTable* table = nullptr;

  // Who waits for it, where it goes on, and what it served itself when it called. Null: it has
  // gone.
  CallEnd* caller = nullptr;
  Call* outer = nullptr;
  Call* next_of_caller = nullptr;
  sched::Continuation back;
  bool remote = false;  // the caller is on another CPU than the server
  bool plain = false;   // begun by hand-off, not abandoned, and words alone come back

  // What the server is told. Of a call that is begun at once only the identity and the object
  // are kept here.
  CallNote note;
  std::uint64_t words[abi::kCallWords] = {};

  // What comes back.
  std::uint32_t flags = 0;  // abi::ServedMethod's
  CallLayout layout;
  Status status = Status::kOk;
  std::uint64_t value = 0;
  cobj::ObjectRef object;  // a result handle's, held

  // Pays for the server's time if the caller's own account cannot: it is on another CPU, or gone.
  sched::Entity time;
};

// An object that was exported and has no handle any more: for the server to know, once all calls
// that found it have said so in their slots.
struct ReleasedObject : QueueLink<>, cobj::GraceWait {
  std::uint64_t cookie = 0;
  CallTable* table = nullptr;
};

class CallTable {
 public:
  // `bulk`: pages of `slots` equal parts, or null; takes over the reference. With one hold.
  static Result<CallTable*> Create(Allocator& allocator, sched::Dispatcher& server,
                                   std::uint32_t slots, mem::FcmPinned* bulk,
                                   std::uint64_t bulk_user);
  CallTable(Allocator& allocator, sched::Dispatcher& server, std::uint32_t slots,
            mem::FcmPinned* bulk, std::uint64_t bulk_user);
  ~CallTable();
  CallTable(const CallTable&) = delete;
  CallTable& operator=(const CallTable&) = delete;

  void Hold() { slots_.Hold(); }
  void Drop();

  // A slot, filling; null: all are taken.
  Call* Take() {
    const std::uint32_t slot = slots_.Take();
    if (slot == SlotWord::kNone) [[unlikely]]
      return nullptr;
    Call* call = &calls_[slot];
    asm("" : "+r"(call));  // one register for it: it is not to be computed for each use
    call->word.Fill();
    return call;
  }
  void Give(Call& call) {
    call.number += kNextCall;
    call.word.Free();
    if (slots_.Give(call.slot)) [[unlikely]]
      allocator_.Destroy(this);
  }
  bool closed() const { return closed_.load(std::memory_order_acquire); }
  void Close();
  // False: closed. From here on the call is the server's.
  bool Push(Call& call);
  Call* Pop();
  // By a caller that ends. True: it was still in the queue, and is the caller's again.
  bool Withdraw(Call& call);
  bool has_queued() const { return queued_.load(std::memory_order_relaxed) != 0; }
  // Once each.
  std::uint32_t slot_count() const { return count_; }
  Call& slot(std::uint32_t index) { return calls_[index]; }
  bool IsTaken(std::uint32_t index) const { return slots_.IsTaken(index); }

  // Good while the table is not closed, and until a global grace period later (call_end.h).
  sched::Dispatcher& server() const { return server_; }
  std::uint32_t bulk_size() const { return bulk_size_; }
  std::uint64_t bulk_user() const { return bulk_user_; }
  std::uint64_t bulk_bytes() const { return bulk_ == nullptr ? 0 : bulk_->size(); }
  std::byte* BulkOf(const Call& call) const {
    return bulk_->data<std::byte>() + std::uint64_t{call.slot} * bulk_size_;
  }
  std::uint64_t UserBulkOf(const Call& call) const {
    return bulk_user_ + std::uint64_t{call.slot} * bulk_size_;
  }

  // Exported objects, at most kMaxObjects with those whose end the server has not taken note of.
  static constexpr std::uint32_t kMaxObjects = 4096;
  Result<ReleasedObject*> NewObject(std::uint64_t cookie);
  // The last handle has gone: the server is told after a grace period.
  void Released(ReleasedObject* object);
  // The cookie of an object that was released, and that no call is at any more; kNotFound.
  Result<std::uint64_t> TakeReleased();
  // A call has ended: was such an object's cookie kept back? Once. The server's CPU.
  bool TakeKeptBack() {
    if (!kept_back_) [[likely]]
      return false;
    kept_back_ = false;
    return true;
  }
  bool keeps_back() const { return kept_back_; }

  // Asynchronous messages. kPending: there is no room, `retry` fires once when there is
  // (kEndpointDown: when there never will be); without a ticket kWouldBlock. Thread context, no
  // lock held.
  Status Send(const Message& message, const cobj::Ticket& retry);
  // kNotFound.
  Status TakeMessage(Message* message);
  // After Close: who waits for room learns that there will be none.
  void EndWaiters();

 private:
  bool IsUsed(const ReleasedObject& object) const;
  void TellReleased(ReleasedObject* object);
  // Of those who wait for room, so many at most, in order.
  void TellWaiters(std::uint32_t most, Status status);

  Allocator& allocator_;
  sched::Dispatcher& server_;
  mem::FcmPinned* const bulk_;
  const std::uint64_t bulk_user_;
  const std::uint32_t count_;
  const std::uint32_t bulk_size_;
  SlotWord slots_;
  std::atomic<bool> closed_{false};
  std::atomic<std::uint32_t> queued_{0};
  machine::SpinLock<LockRank::kCalls> lock_;
  IntrusiveQueue<Call> queue_ K42_GUARDED_BY(lock_);
  IntrusiveQueue<ReleasedObject> released_ K42_GUARDED_BY(lock_);
  std::uint32_t objects_ K42_GUARDED_BY(lock_) = 0;
  // A released object is not told of while a call is at it. The server's CPU.
  bool kept_back_ = false;
  MessageQueue<cobj::Ticket> messages_ K42_GUARDED_BY(lock_);
  Call calls_[kMaxCallSlots];
};

}  // namespace k42::ipc
