// Process: an address space, its dispatchers, its handles, and the tasks that live in it. The
// clustered object behind handle 1 (proc/process.idl).
//
// Life, counted in holds:
//   made (one hold for each dispatcher) -> ... -> last hold dropped -> reaped -> destroyed
// Whoever works on the process without being its dispatcher (an asynchronous call, another task
// reading its memory) takes a hold, and is refused one when the last has gone. Ending a process
// (Exit, a kill) only asks its dispatchers to end; the reaper, on a worker thread, then closes the
// handles, gives the memory back and makes the tasks zombies, in this order, so that a parent that
// was told of the end finds everything returned.
//
// Destroyed means: the object's own grace period is over, which is one of this CPU's threads only
// if the object was called on this CPU only. Whoever reaches a dispatcher past the object, from
// another CPU and without a hold, is none of that period's business: the firing of a ticket, the
// other end of a protected call. So where one may be inside, the reaper has the object wait for all
// CPUs (GiveBack).
//
// Dispatchers: the first is made with the process and stays; further ones are made, or taken from
// among the parked ones, by AddDispatcher, and stay in their slots until the process is destroyed.
// Whoever tells all of them something (end, stop) goes through the slots; whoever fills a slot
// looks afterwards whether it was told meanwhile. A process is replaced while its first one alone
// runs.
//
// Locking: own state is atomics; adding_ for who adds a dispatcher; the lock of each task for that
// task (TaskHost is called under it).
//
// Files: process.cc (life), process_make.cc (new, fork, spawn, replace), process_dispatchers.cc,
// process_memory.cc, process_tasks.cc, process_signals.cc, process_identity.cc, process_handles.cc,
// process_words.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "cobj/make.h"
#include "ipc/handle_table.h"
#include "ipc/worker_pool.h"
#include "machine/mutex.h"
#include "mem/address_space.h"
#include "proc/process.idl.h"
#include "proc/process_dispatcher.h"
#include "proc/services.h"
#include "proc/task.h"

namespace k42::proc {

class Process final : public IProcess, public TaskHost, public cobj::TicketSpace {
 public:
  using Interface = IProcess;

  explicit Process(ProcessServices& services) : services_(services), handles_(services.allocator) {}
  ~Process();

  void SetSelf(cobj::Ref<IProcess> self) { self_ = self; }

  // A process without parent: the first of the node, or one that an operator wants. `handles`: its
  // standard streams. `stopped`: until its task's host is told to continue. Returns its number;
  // services.process_ended tells of its end.
  static Result<std::uint32_t> StartFirst(ProcessServices& services, const Image& image,
                                          BufferIn blob, std::span<const cobj::ObjectRef> handles,
                                          bool stopped = false);

  // -- for the parts of proc --
  bool TryHold();
  void Drop();
  void LoadSpace() { space_->Activate(); }
  mem::AddressSpace& space() { return *space_; }
  ipc::HandleTable& handles() { return handles_; }
  ProcessServices& services() { return services_; }
  cobj::Ref<IProcess> self() const { return self_; }
  std::uint32_t main_task() const { return main_number_; }
  // The first one.
  ProcessDispatcher& dispatcher() { return *first(); }
  // Starts a further dispatcher on that CPU, at the state at that address, as one of `caller`'s
  // process. Its index; kInvalidArgument, kBadAddress, kLimitExceeded, kNoMemory.
  Result<std::uint32_t> AddDispatcher(ProcessDispatcher& caller, std::uint64_t cpu,
                                      std::uint64_t state);
  // kEventMessage for that one. kInvalidArgument: there is none.
  Status Notify(std::uint64_t index);
  // `number`: abi::TicketNumber.
  Status CancelTicket(std::uint64_t number);
  // cobj::TicketSpace
  cobj::Ref<cobj::ITicketSink> SinkOf(std::uint32_t number) const override;
  std::atomic<std::uint32_t> calls_on_the_way{0};

  // TaskHost
  void SignalsChanged(Task& task) override;
  void IdentityChanged(Task& task) override;
  void StopRunning() override;
  void ContinueRunning() override;
  void EndRunning(ExitKind kind, std::uint32_t code) override;
  bool is_ending() const override { return ending_.load(std::memory_order_seq_cst); }

  // IProcess: memory
  Result<std::uint64_t> Map(const MapRequest& request, cobj::ObjectRef object) override;
  Status Unmap(std::uint64_t address, std::uint64_t length) override;
  Status Protect(std::uint64_t address, std::uint64_t length, std::uint32_t protection) override;
  Result<std::uint64_t> Remap(std::uint64_t address, std::uint64_t length, std::uint64_t new_length,
                              std::uint32_t flags, std::uint64_t new_address) override;
  Status Advise(std::uint64_t address, std::uint64_t length, Advice advice) override;
  Status QueryRegion(const cobj::CallContext& caller, std::uint32_t task, std::uint64_t address,
                     RegionInfo& info) override;
  Status SyncMemory(std::uint64_t address, std::uint64_t length) override;
  Status QueryMemory(const cobj::CallContext& caller, std::uint32_t task, MemoryUse& use) override;
  Result<std::uint64_t> ReadMemory(const cobj::CallContext& caller, std::uint32_t task,
                                   std::uint64_t address, BufferOut buffer) override;
  Result<std::uint64_t> WriteMemory(const cobj::CallContext& caller, std::uint32_t task,
                                    std::uint64_t address, BufferIn data) override;
  // birth and death
  Result<std::uint32_t> ForkCopy(const cobj::CallContext& caller,
                                 const ForkRequest& request) override;
  Result<std::uint32_t> Spawn(const cobj::CallContext& caller, const StartRequest& request,
                              BufferIn blob, BufferIn handles) override;
  Status Replace(const cobj::CallContext& caller, const StartRequest& request, BufferIn blob,
                 BufferIn handles) override;
  Status Exit(const cobj::CallContext& caller, std::uint32_t task, ExitKind kind,
              std::uint32_t code) override;
  Status Wait(const cobj::CallContext& caller, const WaitRequest& request, WaitResult& found,
              cobj::Ticket ticket) override;
  Result<std::uint32_t> NewTask(const cobj::CallContext& caller, std::uint32_t signal) override;
  Result<std::uint32_t> NewThread(const cobj::CallContext& caller, std::uint32_t task) override;
  Status EndThread(const cobj::CallContext& caller, std::uint32_t thread) override;
  // signals
  Result<std::uint32_t> Kill(const cobj::CallContext& caller,
                             const SignalRequest& request) override;
  Status TakeSignal(const cobj::CallContext& caller, std::uint32_t task, std::uint64_t allowed,
                    SignalInfo& info) override;
  Result<std::uint64_t> PendingSignals(const cobj::CallContext& caller,
                                       std::uint32_t task) override;
  Status Stop(const cobj::CallContext& caller, std::uint32_t task, std::uint32_t signal) override;
  // what is known of tasks
  Status GetTask(const cobj::CallContext& caller, std::uint32_t task, TaskInfo& info) override;
  Result<std::uint32_t> GetNumber(const cobj::CallContext& caller, std::uint32_t task,
                                  TaskNumber which) override;
  Result<std::uint32_t> ListTasks(const cobj::CallContext& caller, std::uint32_t after,
                                  BufferOut numbers) override;
  Result<std::uint32_t> ListThreads(const cobj::CallContext& caller, std::uint32_t task,
                                    std::uint32_t after, BufferOut numbers) override;
  Result<std::uint32_t> GetText(const cobj::CallContext& caller, std::uint32_t task, TaskText text,
                                BufferOut buffer) override;
  Status SetText(const cobj::CallContext& caller, std::uint32_t task, TaskText text,
                 BufferIn value) override;
  Result<std::uint64_t> GetOption(const cobj::CallContext& caller, std::uint32_t task,
                                  TaskOption option) override;
  Status SetOption(const cobj::CallContext& caller, std::uint32_t task, TaskOption option,
                   std::uint64_t value) override;
  // identity
  Status SetGroup(const cobj::CallContext& caller, std::uint32_t task,
                  std::uint32_t group) override;
  Result<std::uint32_t> NewSession(const cobj::CallContext& caller) override;
  Status GetCredential(const cobj::CallContext& caller, std::uint32_t task,
                       Credential& credential) override;
  Status SetCredential(const cobj::CallContext& caller, std::uint32_t task, std::uint32_t flags,
                       const Credential& credential) override;
  Status GetLimit(const cobj::CallContext& caller, std::uint32_t task, LimitKind kind,
                  Limit& limit) override;
  Status SetLimit(const cobj::CallContext& caller, std::uint32_t task, LimitKind kind,
                  const Limit& limit) override;
  Status GetSchedule(const cobj::CallContext& caller, std::uint32_t task,
                     Schedule& schedule) override;
  Status SetSchedule(const cobj::CallContext& caller, std::uint32_t task,
                     const Schedule& schedule) override;
  // shared words
  Status WaitWord(const cobj::CallContext& caller, std::uint64_t address, std::uint32_t expected,
                  std::uint32_t mask, cobj::Ticket ticket) override;
  Result<std::uint32_t> WakeWord(std::uint64_t address, std::uint32_t count,
                                 std::uint32_t mask) override;
  // handles
  Status CloseHandle(abi::Handle which) override;
  Result<abi::Handle> DuplicateHandle(abi::Handle which, std::uint32_t rights) override;
  Result<std::uint32_t> QueryHandle(abi::Handle which) override;
  Result<std::int32_t> CompareHandles(abi::Handle first, abi::Handle second) override;

 private:
  friend class ProcessMaker;
  friend class StartBlock;

  struct Reaper : ipc::Work {
    Process* process = nullptr;
  };
  static void Reap(ipc::Work* work);
  void GiveBack();
  // Undoes a process that never ran. Precondition: it has no task; whoever found that could hold
  // it.
  void Abandon();
  // The process that the task lives in, held; kNoProcess, kPermissionDenied.
  Result<Process*> HoldOther(const cobj::CallContext& caller, std::uint32_t task);
  // A task that has ended, or lives elsewhere now: its number may be another's soon.
  void NoLongerActsFor(std::uint32_t task);
  void AddUse(TaskInfo& info) const;
  std::uint32_t Number(const cobj::CallContext& caller) const {
    return static_cast<std::uint32_t>(caller.process_id);
  }

  ProcessDispatcher* first() const { return dispatchers_[0].load(std::memory_order_relaxed); }
  ProcessDispatcher* DispatcherAt(std::uint64_t index) const {
    return index < abi::kDispatchersMax ? dispatchers_[index].load(std::memory_order_acquire)
                                        : nullptr;
  }
  // Those there are; a slot that is being filled may be missed.
  template <typename F>
  void ForEachDispatcher(F visit) const {
    const std::uint32_t end = dispatchers_end_.load(std::memory_order_seq_cst);
    for (std::uint32_t index = 0; index < end; ++index) {
      if (ProcessDispatcher* found = dispatchers_[index].load(std::memory_order_seq_cst))
        visit(*found);
    }
  }
  bool is_stopped() const { return stops_.load(std::memory_order_seq_cst) != 0; }
  void ObeyStops();
  // The one whose call this is; the first, if another process calls.
  ProcessDispatcher& Calling() const;
  Result<ProcessDispatcher*> MakeDispatcher(std::uint32_t index, std::uint32_t cpu);
  ProcessDispatcher* TakeParked(std::uint32_t cpu);
  bool OthersRun() const;

  ProcessServices& services_;
  cobj::Ref<IProcess> self_;
  mem::AddressSpace* space_ = nullptr;
  ipc::HandleTable handles_;
  const Image* image_ = nullptr;
  std::uint64_t cpus_ = ~std::uint64_t{0};     // allowed; counts where a dispatcher is placed
  machine::Mutex<LockRank::kProcess> adding_;  // one dispatcher is added at a time
  std::atomic<ProcessDispatcher*> dispatchers_[abi::kDispatchersMax] = {};
  std::atomic<std::uint32_t> dispatchers_end_{0};  // slots from here on were never filled
  std::uint32_t main_number_ = 0;                  // of its main task, once there is one
  std::atomic<std::uint32_t> holds_{1};
  std::atomic<bool> ending_{false};
  std::atomic<std::uint32_t> stops_{0};  // not yet continued
  std::atomic<bool> waited_for_words_{false};
  ExitKind exit_kind_ = ExitKind::kExited;
  std::uint32_t exit_code_ = 0;
  Reaper reaper_;
};

}  // namespace k42::proc
