// Dispatcher: what the kernel schedules. A process has one or more; each shows user space one page
// (abi/dispatcher_page.h), and user space schedules its threads on it.
//
// States:
//   kNew        made, not yet admitted to a CPU
//   kReady      in its CPU's run queue
//   kRunning    its user code runs, or a trap of it is being served, and the CPU is its
//   kInKernel   its call or trap blocks a kernel thread; the CPU has gone on to others
//   kWaiting    gave up the CPU (kWait, or a page is on its way); no kernel thread is held
//   kIdle       no code of it runs or waits to run: it takes calls, and waits for answers to its
//               own
//   kStopped    would be ready, but was stopped
//   kParked     has nothing to run, until it is admitted again with another state
//   kEnded      left its CPU for good
//
//   kNew -> kReady <-> kRunning -> kInKernel -> kReady;  kRunning -> kWaiting -> kReady
//   kRunning -> kIdle -> kReady, or at once kRunning by another's hand-off (CpuScheduler::HandOver)
//   kReady, kRunning, kWaiting -> kStopped -> kReady;    kRunning -> kParked -> kReady;   any ->
//   kEnded
//
// Code of a dispatcher that serves a protected call runs on its caller's time: payer() says on
// whose. An entity pays for one dispatcher at a time (Entity::runs).
//
// A dispatcher belongs to one CPU, and only threads of that CPU change its state: no lock. Others
// send it *requests*: bits in one atomic word, of which the first sends a message to the CPU
// (request_word.h). Since the message is handled on that CPU, in thread context, a request cannot
// slip in between "nothing is pending" and "wait".
//
// What the page says is user space's word. The kernel writes events and copies of states to it
// through its own alias, and keeps everything it acts upon here.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

#include "abi/dispatcher_page.h"
#include "base/result.h"
#include "machine/clock.h"
#include "machine/cpu_message.h"
#include "machine/thread.h"
#include "machine/timer.h"
#include "sched/request_word.h"
#include "sched/run_queue.h"

namespace k42::machine {
struct TrapFrame;
}
namespace k42::ipc {
class CallEnd;
}

namespace k42::sched {

class CpuScheduler;

// What the scheduler asks of whoever a dispatcher belongs to.
class DispatcherOwner {
 public:
  // Makes the process's address space current on this CPU. Interrupts off.
  virtual void LoadSpace() = 0;
  // The dispatcher is kEnded, its last message has come; the scheduler will not touch it again. Its
  // CPU, thread context; must not wait.
  virtual void Ended() = 0;

  // The dispatcher is idle. True: its user_state(), and SetPayer, say with what it goes on. Its
  // CPU; must not wait.
  virtual bool FindActivity() { return false; }
  // What it chose, if it set finish_first, is about to go on: on its thread, its space loaded,
  // interrupts on. May wait.
  virtual void FinishFirst(machine::TrapFrame*) {}
  // The dispatcher ends: it has state kEnded. Its CPU; must not wait.
  virtual void EndCalls() {}
  // It is kParked: its user_state() and registers are the owner's until it is admitted again. Its
  // CPU; must not wait.
  virtual void Parked() {}

 protected:
  ~DispatcherOwner() = default;
};

class Dispatcher : public Entity {
 public:
  enum class State : std::uint8_t {
    kNew,
    kReady,
    kRunning,
    kInKernel,
    kWaiting,
    kStopped,
    kEnded,
    kIdle,
    kParked,
  };
  enum Request : std::uint32_t {
    kAdmit = 1u << 0,
    kWake = 1u << 1,       // an event is pending
    kFaultDone = 1u << 2,  // the page it waits for has come, or never will
    kStop = 1u << 3,
    kContinue = 1u << 4,
    kEnd = 1u << 5,
    kCall = 1u << 6,   // a call was queued at it
    kReply = 1u << 7,  // a call of its own has ended
  };

  // `page`: the kernel's alias; `user_page`: where user space sees it. Both outlive the dispatcher.
  Dispatcher(DispatcherOwner& owner, abi::DispatcherPage* page, std::uint64_t user_page);
  // Precondition: kNew with no request on its way, or its owner was told that it has ended.
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // The one whose call or trap the present thread serves; null on other threads.
  static Dispatcher* Current() {
    return static_cast<Dispatcher*>(machine::Thread::Current()->context().user_call);
  }

  // -- any CPU, thread context --
  void Ask(std::uint32_t requests);
  // Of these the last one counts; callers see to it which that is.
  void Stop();
  void Continue();
  // Sets events in the page and sees to it that they are noticed.
  void Post(std::uint32_t events);

  void SetParameters(const Parameters& parameters) {
    band = parameters.band;
    weight = parameters.weight != 0 ? parameters.weight : WeightOf(parameters.nice);
    quantum_ns = parameters.quantum_ns;
  }

  // -- before admission, or by the dispatcher's own calls --
  abi::UserState& user_state() { return user_state_; }
  unsigned char* vector_state() { return vector_state_; }
  const abi::DispatcherEntries& entries() const { return entries_; }
  Status SetEntries(const abi::DispatcherEntries& entries);
  void InheritEntries(const Dispatcher& parent) { entries_ = parent.entries_; }
  void ForgetEntries() { entries_ = {}; }
  void SetTimer(std::uint64_t deadline_ns);

  DispatcherOwner& owner() const { return owner_; }
  abi::DispatcherPage* page() const { return page_; }
  std::uint64_t user_page() const { return user_page_; }
  // Of its process, in the trace.
  std::uint32_t name() const { return name_; }
  void SetName(std::uint32_t name) { name_ = name; }
  std::uint32_t cpu() const { return cpu_; }
  void PlaceOn(std::uint32_t cpu) { cpu_ = cpu; }  // kNew only
  // As `other` is treated.
  void InheritParameters(const Dispatcher& other) {
    band = other.band;
    weight = other.weight;
    quantum_ns = other.quantum_ns;
  }
  State state() const { return now_.state; }
  // Up to `now_ns`, if it runs.
  std::uint64_t run_ns(std::uint64_t now_ns) const { return account.Ns(now_ns); }
  std::uint64_t switches() const { return switches_.load(std::memory_order_relaxed); }
  bool ending() const { return now_.ending; }
  // Its code runs and goes on. It may hand over even if its turn is over: whoever takes the CPU is
  // then preempted in its place.
  bool may_hand_over() const {
    Now now = now_;
    now.switch_wanted = false;
    return now.word() == Now{State::kRunning}.word();
  }
  // May a caller of this CPU hand over to it?
  bool IsCallable() const {
    return now_.word() == Now{State::kIdle}.word() && entries_.call_entry != 0;
  }

  // -- its own CPU --
  Entity& payer() const { return *payer_; }
  void SetPayer(Entity& payer) { payer_ = &payer; }
  bool finish_first = false;
  ipc::CallEnd* calls = nullptr;  // its part in protected calls; its owner's

 private:
  friend class CpuScheduler;

  static void OnMessage(machine::CpuMessage* message);

  struct Message : machine::CpuMessage {
    Dispatcher* dispatcher = nullptr;
  };

  DispatcherOwner& owner_;
  abi::DispatcherPage* const page_;
  const std::uint64_t user_page_;
  std::uint32_t cpu_ = 0;
  std::uint32_t name_ = 0;
  // In one word, for the way back to user space looks at all of it each time. While it runs it is
  // its scheduler's current one, and only then.
  struct Now {
    State state = State::kNew;
    bool stop_asked = false;
    bool ending = false;
    bool switch_wanted = false;  // while it runs: hard preemption, at the next BeforeUser

    std::uint32_t word() const { return std::bit_cast<std::uint32_t>(*this); }
  };
  Now now_;
  std::uint32_t wakes_on_ = 0;  // kWaiting: the requests that end it
  Entity* payer_ = this;
  RequestWord requests_;
  Message message_;
  machine::Timer wait_timer_;
  machine::Timer user_timer_;
  abi::DispatcherEntries entries_ = {};
  abi::UserState user_state_ = {};
  std::atomic<std::uint64_t> switches_{0};
  alignas(64) unsigned char vector_state_[abi::kVectorStateSize];
};

}  // namespace k42::sched
