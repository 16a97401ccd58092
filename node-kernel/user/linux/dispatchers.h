// The dispatchers of the process: how many there are, and who runs where.
//
// A process starts with one. Where a thread is about to return to its program while another is
// ready and no dispatcher is idle, there is one more, on a processor that has none yet; so a
// program that never has two runnable threads pays nothing. A dispatcher that has nothing to do
// takes a ready thread of another's, else idles: woken threads go to idle ones first. At the end of
// a time slice a thread goes where there is less to do, so that three on two processors share them
// evenly.
//
// They end with the process, or for exec: StopOthers parks all but the first.
//
// Inside the monitor throughout.
#pragma once

#include "base/status.h"
#include "user/linux/dispatcher.h"

namespace k42::personality {

class Dispatchers {
 public:
  static Dispatcher& First();
  static Dispatcher& Of(std::uint32_t index);
  // Of the dispatcher the ticket belongs to.
  static Dispatcher& OfTicket(std::uint32_t ticket) { return Of(ticket / abi::kTicketCount); }
  // A ticket that has fired, whose bit is in its dispatcher's page or will be in a moment.
  static void TakeFired(std::uint32_t ticket);

  // Before anything else. `cpus`: how many processors there are, 0 or 1: one.
  static void Begin(std::uint32_t cpus);
  // The current thread returns to its program, and others wait.
  static void Grow();
  // The affinity of the thread has changed. The current one looks itself, by
  // MoveIfForbidden.
  static void Obey(Thread& thread);
  // The current thread, about to return to its program, goes to a dispatcher that its affinity
  // allows, if there can be one. Whether it has moved.
  static bool MoveIfForbidden(Thread& thread);
  // For exec: all but the first park, whatever they run; the caller goes on on the first.
  // There is no way back: what others waited for there is lost. False: there were none.
  static bool StopOthers();
  static bool stopping() { return stopping_; }
  // This dispatcher, not the first, is asked to go, and has nothing to run.
  static void ParkHere();
  // The kernel does not know the task any more; its number may be another's soon.
  static void ForgetTask(std::int32_t pid);

 private:
  friend class Dispatcher;

  static Dispatcher* PlaceFor(Thread& thread);
  static Dispatcher* LighterThan(const Dispatcher& here, const Thread& thread);
  static Thread* TakeFor(Dispatcher& taker);
  static Dispatcher* Add(const Thread& wanting);
  static Status Add(std::uint32_t cpu);
  static void ForgetOthers();
  static void Discard(Dispatcher*& gone);
  [[noreturn]] static void Begun(Dispatcher* self);
  [[noreturn]] static void IdleThread();
  template <typename F>
  static void ForEach(F visit);

  static bool stopping_;
};

}  // namespace k42::personality
