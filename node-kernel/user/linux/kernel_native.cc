// The seam over native calls: dispatcher, memory, processes, the node.
#include "user/linux/kernel.h"

#include <cstring>

#include "abi/time_page.h"
#include "fs/open_file.stub.h"
#include "machine/cycle_count.h"
#include "machine/native_call.h"
#include "proc/node.stub.h"
#include "proc/process.stub.h"
#include "user/linux/entry.h"
#include "user/linux/kernel_wait.h"
#include "user/linux/start.h"

namespace k42::personality::kernel {
namespace {

constexpr proc::ProcessStub kProcess(abi::kProcessHandle);
constexpr proc::NodeStub kNode(abi::kNodeHandle);

abi::NativeResult Ask(abi::DispatcherCall call, std::uint64_t a = 0, std::uint64_t b = 0) {
  return machine::NativeCall(
      abi::NativeNumber(abi::kDispatcherHandle, static_cast<std::uint32_t>(call)), a, b);
}

abi::ClockReading ReadClock() {
  return abi::ReadTimePage(abi::OwnTimePage(), machine::CycleCount);
}

}  // namespace

// Not OwnTimePage(): there is nobody to run a constructor.
const std::atomic<std::uint32_t>* const trace_mask =
    &reinterpret_cast<const abi::TimePage*>(abi::kTimePageAddress)->trace_mask;

// Volatile: the thread may be on another dispatcher the next time.
abi::DispatcherPage* Page() {
  abi::DispatcherPage* page;
  asm volatile("movq %%gs:0, %0" : "=r"(page));
  return page;
}
Result<std::uint32_t> AddDispatcher(std::uint32_t cpu, const abi::UserState& state) {
  const abi::NativeResult added =
      Ask(abi::DispatcherCall::kAddDispatcher, cpu, reinterpret_cast<std::uint64_t>(&state));
  if (added.status != Status::kOk) {
    return added.status;
  }
  return static_cast<std::uint32_t>(added.value);
}
void Notify(std::uint32_t dispatcher) {
  (void)Ask(abi::DispatcherCall::kNotify, dispatcher);
}
void Park() {
  (void)Ask(abi::DispatcherCall::kPark);
}

void SetEntries(const abi::DispatcherEntries& entries) {
  (void)Ask(abi::DispatcherCall::kSetEntries, reinterpret_cast<std::uint64_t>(&entries));
}
void WaitForEvent(std::uint64_t deadline_ns) {
  (void)Ask(abi::DispatcherCall::kWait, deadline_ns);
}
void Yield() {
  (void)Ask(abi::DispatcherCall::kYield);
}
void SetTimer(std::uint64_t deadline_ns) {
  (void)Ask(abi::DispatcherCall::kSetTimer, deadline_ns);
}
bool CancelTicket(std::uint32_t ticket) {
  return Ask(abi::DispatcherCall::kCancelTicket, ticket).status == Status::kOk;
}

Result<std::uint64_t> TicketResult(std::uint32_t ticket) {
  auto* results = reinterpret_cast<abi::TicketResults*>(PageOf(ticket / abi::kTicketCount) + 1);
  const auto& entry = results->entry[OwnTicket(ticket)];
  const auto status = static_cast<Status>(entry.status);
  if (status != Status::kOk) {
    return status;
  }
  return entry.value;
}

void Log(const char* text, std::size_t size) {
  (void)Ask(abi::DispatcherCall::kLog, reinterpret_cast<std::uint64_t>(text), size);
}

std::uint64_t UsedNs(std::uint32_t dispatcher) {
  return abi::UsedNs(PageOf(dispatcher)->used.load(std::memory_order_relaxed), MonotonicNs());
}
std::uint64_t MonotonicNs() {
  return ReadClock().monotonic_ns;
}
std::int64_t RealtimeNs() {
  return ReadClock().realtime_ns();
}
bool HasTimePage() {
  return true;
}

// -- memory --------------------------------------------------------------------------------------
// A file is mapped through its memory object; the region keeps that, its handle need not stay.
Result<std::uint64_t> Map(const proc::MapRequest& request, Handle file) {
  if (file == kNoHandle) {
    return kProcess.Map(request, kNoHandle);
  }
  const Result<Handle> memory = MemoryOf(file);
  if (!memory.ok()) {
    return memory.status();
  }
  const Result<std::uint64_t> mapped = MapMemory(request, memory.value());
  Close(memory.value());
  return mapped;
}
Result<Handle> MemoryOf(Handle file) {
  const Result<mem::MemoryObjectStub> memory = fs::OpenFileStub(file).Memory();
  if (!memory.ok()) {
    return memory.status();
  }
  return memory.value().handle();
}
Result<std::uint64_t> MapMemory(const proc::MapRequest& request, Handle memory) {
  return kProcess.Map(request, memory);
}
Status Unmap(std::uint64_t address, std::uint64_t size) {
  return kProcess.Unmap(address, size);
}
Status Protect(std::uint64_t address, std::uint64_t size, std::uint32_t protection) {
  return kProcess.Protect(address, size, protection);
}
Result<std::uint64_t> Remap(std::uint64_t address, std::uint64_t old_size, std::uint64_t new_size,
                            std::uint32_t flags, std::uint64_t new_address) {
  return kProcess.Remap(address, old_size, new_size, flags, new_address);
}
Status Advise(std::uint64_t address, std::uint64_t size, proc::Advice advice) {
  return kProcess.Advise(address, size, advice);
}
Status QueryRegion(std::uint64_t address, proc::RegionInfo* info) {
  return kProcess.QueryRegion(0, address, info);
}
Status SyncMemory(std::uint64_t address, std::uint64_t size) {
  return Await([&](std::uint32_t ticket) { return kProcess.SyncMemory(address, size, ticket); })
      .status();
}
Status QueryMemory(proc::MemoryUse* use) {
  return kProcess.QueryMemory(0, use);
}

char* GrowHeap(std::size_t size) {
  static std::uint64_t next, end;
  if (next == 0) {
    next = StartBlock().heap_begin;
    end = StartBlock().heap_end;
  }
  if (size > end - next) {
    if (end == abi::kImageBase) {
      return nullptr;
    }
    next = abi::kPersonalityBase;
    end = abi::kImageBase;
  }
  const proc::MapRequest request{next, size, 0, proc::kMapRead | proc::kMapWrite,
                                 proc::kMapPrivate | proc::kMapFixed | proc::kMapPersonality};
  const Result<std::uint64_t> mapped = kProcess.Map(request, kNoHandle);
  if (!mapped.ok()) {
    return nullptr;
  }
  next += size;
  return reinterpret_cast<char*>(mapped.value());
}

Result<std::uint64_t> ReadMemory(std::uint32_t task, std::uint64_t address, std::uint64_t buffer,
                                 std::uint64_t size) {
  return kProcess.ReadMemory(task, address, reinterpret_cast<void*>(buffer), size);
}
Result<std::uint64_t> WriteMemory(std::uint32_t task, std::uint64_t address, std::uint64_t buffer,
                                  std::uint64_t size) {
  return kProcess.WriteMemory(task, address, reinterpret_cast<const void*>(buffer), size);
}
Status WaitWord(std::uint64_t address, std::uint32_t expected, std::uint32_t mask,
                std::uint32_t ticket) {
  return kProcess.WaitWord(address, expected, mask, OwnTicket(ticket));
}
Result<std::uint64_t> WakeWord(std::uint64_t address, std::uint32_t count, std::uint32_t mask) {
  const Result<std::uint32_t> woken = kProcess.WakeWord(address, count, mask);
  if (!woken.ok()) {
    return woken.status();
  }
  return std::uint64_t{woken.value()};
}

// -- processes -----------------------------------------------------------------------------------
Result<std::uint32_t> Fork(const std::uint64_t context[8], std::uint32_t exit_signal) {
  abi::UserState state{};
  state.rax = 1;
  state.rbx = context[0];
  state.rbp = context[1];
  state.r12 = context[2];
  state.r13 = context[3];
  state.r14 = context[4];
  state.r15 = context[5];
  state.rsp = context[6];
  state.rip = context[7];
  state.rflags = 0x202;
  proc::ForkRequest request{};
  request.state = reinterpret_cast<std::uint64_t>(&state);
  request.exit_signal = exit_signal;
  return kProcess.ForkCopy(request);
}

Result<std::uint32_t> Spawn(std::uint32_t task, std::uint32_t exit_signal, const void* blob,
                            std::size_t blob_size, const Handle* handles, std::size_t count) {
  proc::StartRequest request{};
  request.task = task;
  request.exit_signal = exit_signal;
  return kProcess.Spawn(request, blob, blob_size, handles, count * sizeof(Handle));
}
Status Replace(const void* blob, std::size_t blob_size, const Handle* handles, std::size_t count) {
  const proc::StartRequest request{};
  return kProcess.Replace(request, blob, blob_size, handles, count * sizeof(Handle));
}
void Exit(std::uint32_t task, proc::ExitKind kind, std::uint32_t code) {
  (void)kProcess.Exit(task, kind, code);
}
Status WaitChild(const proc::WaitRequest& request, proc::WaitResult* found, std::uint32_t ticket) {
  return kProcess.Wait(request, found, OwnTicket(ticket));
}
Result<std::uint32_t> NewTask(std::uint32_t exit_signal) {
  return kProcess.NewTask(exit_signal);
}
Result<std::uint32_t> NewThread(std::uint32_t task) {
  return kProcess.NewThread(task);
}
void EndThread(std::uint32_t thread) {
  (void)kProcess.EndThread(thread);
}
void LoadFsBase(std::uint64_t base) {
  asm volatile("wrfsbase %0" : : "r"(base));
}
void SetTask(std::uint32_t task) {
  (void)Ask(abi::DispatcherCall::kSetTask, task);
}
Result<std::uint32_t> Kill(const proc::SignalRequest& request) {
  return kProcess.Kill(request);
}
Status TakeSignal(std::uint32_t task, proc::SignalInfo* info) {
  return kProcess.TakeSignal(task, ~0ull, info);
}
void Stop(std::uint32_t task, std::uint32_t signal) {
  (void)kProcess.Stop(task, signal);
}
Status GetTask(std::uint32_t task, proc::TaskInfo* info) {
  return kProcess.GetTask(task, info);
}
Result<std::uint32_t> GetNumber(std::uint32_t task, proc::TaskNumber which) {
  return kProcess.GetNumber(task, which);
}
Result<std::uint32_t> GetText(std::uint32_t task, proc::TaskText text, void* buffer,
                              std::size_t size) {
  return kProcess.GetText(task, text, buffer, size);
}
Status SetText(std::uint32_t task, proc::TaskText text, const void* value, std::size_t size) {
  return kProcess.SetText(task, text, value, size);
}
Result<std::uint64_t> GetOption(std::uint32_t task, proc::TaskOption option) {
  return kProcess.GetOption(task, option);
}
Status SetOption(std::uint32_t task, proc::TaskOption option, std::uint64_t value) {
  return kProcess.SetOption(task, option, value);
}
Status SetGroup(std::uint32_t task, std::uint32_t group) {
  return kProcess.SetGroup(task, group);
}
Result<std::uint32_t> NewSession() {
  return kProcess.NewSession();
}
Status GetCredential(proc::Credential* credential) {
  return kProcess.GetCredential(0, credential);
}
Status SetCredential(std::uint32_t flags, const proc::Credential& credential) {
  return kProcess.SetCredential(0, flags, credential);
}
Status GetLimit(std::uint32_t task, proc::LimitKind kind, proc::Limit* limit) {
  return kProcess.GetLimit(task, kind, limit);
}
Status SetLimit(std::uint32_t task, proc::LimitKind kind, const proc::Limit& limit) {
  return kProcess.SetLimit(task, kind, limit);
}
Status GetSchedule(std::uint32_t task, proc::Schedule* schedule) {
  return kProcess.GetSchedule(task, schedule);
}
Status SetSchedule(std::uint32_t task, const proc::Schedule& schedule) {
  return kProcess.SetSchedule(task, schedule);
}
void Close(Handle handle) {
  (void)kProcess.CloseHandle(handle);
}
Result<Handle> Duplicate(Handle handle) {
  return kProcess.DuplicateHandle(handle, ~0u);
}

// -- the node ------------------------------------------------------------------------------------
Status GetNode(proc::NodeInfo* info) {
  return kNode.GetInfo(info);
}
void NoteUnserved(std::uint32_t number) {
  (void)kNode.NoteUnserved(number);
}
Status SetNodeName(const char* name, std::size_t size) {
  return kNode.SetName(name, size);
}
Status GetRandom(void* bytes, std::size_t size) {
  return kNode.Random(bytes, size);
}

}  // namespace k42::personality::kernel
