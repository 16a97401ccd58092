// CallEnd: one dispatcher's part in protected calls, as caller and as server.
//
// A dispatcher has at most one *activity* that runs, is ready or waits (its registers are in the
// machine or in user_state()); all other code of it is suspended in calls that it has made, each
// with its continuation in the Call. Without an activity it is kIdle, and takes whatever comes
// first: an answer to one of its calls, an event (if it said kServe), a call. So a server that
// calls another, or calls back, is not in anybody's way, and no cycle of calls can block.
//
// On one CPU a call is a hand-off: the caller's activity is put away, the server's dispatcher is
// current, and the same native call returns to the server's code, on the caller's time; the return
// is the same backwards. If the server is busy, or on another CPU, the call is queued at it, and
// the caller is idle without a kernel stack.
//
// Who pays (PayerOf): follow the calls upwards while they were made on this CPU; the first caller's
// account pays. Where that leads to another CPU or to a caller that has gone, the call's own
// account does (Call::time).
//
// Other CPUs reach the dispatcher through a call or a table, past its process's object and without
// a hold: who has queued a call or a message, or ended a call, tells its other end, which may have
// ended in between. So a dispatcher that ever served, or called one of another CPU, is gone only
// after a global grace period (reached_elsewhere), as such threads are active.
//
// Locking: none; the dispatcher's own CPU, but for what the queue and the call's word say.
#pragma once

#include <cstdint>

#include "cobj/call_context.h"
#include "ipc/call_table.h"
#include "ipc/export_target.h"
#include "machine/trap_frame.h"

namespace k42::ipc {

class CallEnd {
 public:
  // `handles`: of the dispatcher's process.
  CallEnd(sched::Dispatcher& dispatcher, cobj::HandleSpace& handles)
      : dispatcher_(dispatcher), handles_(handles) {}
  // Precondition: ended, and given back.
  ~CallEnd() = default;

  // kAlreadyExists.
  Status Open(CallTable* table);
  CallTable* table() const { return table_; }
  // The call that the dispatcher's code serves; null: none.
  const Call* serving() const { return serving_; }

  // -- native calls of the dispatcher: the answer is in the frame, or the frame is another's --
  // `object`: an IExported.
  void CallOut(machine::TrapFrame* frame, cobj::RefBits object, std::uint32_t rights,
               std::uint32_t method, std::uint64_t identity);
  void Return(machine::TrapFrame* frame, std::uint64_t number, std::int64_t status,
              std::uint64_t value);
  void Serve(machine::TrapFrame* frame);

  // -- sched::DispatcherOwner's --
  bool FindActivity();
  void FinishFirst(machine::TrapFrame* frame);
  // All calls to it and from it end; it serves no more.
  void End();
  // The same for a dispatcher that goes on with another program: its own activity pays for itself.
  void Restart();

  // After End, in thread context: gives back what End could not.
  void GiveBack();
  // Whether a thread of another CPU may be about to tell the dispatcher of a call or a message.
  bool reached_elsewhere() const { return reached_elsewhere_; }

 private:
  // What is known of a call beside what its Call keeps from the first.
  struct Told {
    std::uint64_t cookie;
    const ReleasedObject* object;
    std::uint32_t method;
    std::uint32_t rights;
  };
  static void Refuse(machine::TrapFrame* frame, Status status);
  static void Refuse(machine::TrapFrame* frame, Call& call, Status status);
  void Begin(machine::TrapFrame* frame, CallTable& table, Call& call, const Told& told, bool plain);
  void CallAtLength(machine::TrapFrame* frame, Call& call, const ExportTarget& target,
                    std::uint32_t method, std::uint32_t rights);
  void Enqueue(machine::TrapFrame* frame, Call& call, std::uint64_t cookie, std::uint32_t method,
               std::uint32_t rights);
  Status CopyIn(Call& call, const abi::ServedMethod& shape, machine::TrapFrame* frame);
  void ReturnAtLength(machine::TrapFrame* frame, Call& call, Status status, std::uint64_t value);
  void Complete(Call& call, machine::TrapFrame* frame);
  void Enter(const Call& call, const Told& told, machine::TrapFrame* frame);
  void TakeResultObject(Call& call);
  bool ServesObject(const cobj::ObjectRef& object) const;
  sched::Entity& PayerOf(const Call* serving);
  bool HasWork(const Call* calls) const;
  void TellOfKeptBack();
  void Forget(Call& call);
  void AbandonCalls();
  void FailCalls();
  void GiveUp(Call& call);
  static void Discard(Call& call);

  sched::Dispatcher& dispatcher_;
  cobj::HandleSpace& handles_;
  CallTable* table_ = nullptr;      // null: it serves nothing
  Call* serving_ = nullptr;         // what its activity serves
  Call* calls_ = nullptr;           // made by it, not ended
  Call* completing_ = nullptr;      // done: FinishFirst copies its results
  Call* left_over_ = nullptr;       // done when it ended, with an object to release
  sched::Continuation serve_ = {};  // in kServe
  bool in_serve_ = false;
  bool reached_elsewhere_ = false;
};

}  // namespace k42::ipc
