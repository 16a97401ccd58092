// Everything the personality asks of the kernel: one thin seam over the generated stubs.
//
// kernel_native.cc and its siblings implement it with native calls; tests implement it otherwise.
// A call that the kernel answers with kPending blocks the calling *thread* here, inside the seam
// (other threads of the process run meanwhile), so that callers see a plain function. Calls that
// wait for an event of the outside take a ticket instead and never block.
//
// Types are the system's own (abi/): no Linux structure crosses this line.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "abi/dispatcher_page.h"
#include "abi/file_slot.h"
#include "abi/native_call.h"
#include "abi/process_start.h"
#include "abi/readiness.h"
#include "base/result.h"
#include "fs/file.types.h"
#include "io/control.types.h"
#include "io/socket.types.h"
#include "proc/node.types.h"
#include "proc/process.types.h"

namespace k42::personality::kernel {

using abi::Handle;
// "No handle" as an argument: handle 0 is the dispatcher, never an object.
inline constexpr Handle kNoHandle = 0;

// -- the dispatcher ------------------------------------------------------------------------------
// Of the dispatcher that runs this code; of the process's first; of any.
abi::DispatcherPage* Page();
inline abi::DispatcherPage* PageOf(std::uint32_t dispatcher) {
  return reinterpret_cast<abi::DispatcherPage*>(abi::kDispatcherBase +
                                                dispatcher * abi::kDispatcherStride);
}
inline abi::DispatcherPage* FirstPage() {
  return PageOf(0);
}
// A further dispatcher, which starts at that state; its index.
Result<std::uint32_t> AddDispatcher(std::uint32_t cpu, const abi::UserState& state);
// Ends its wait, or has its program upcalled.
void Notify(std::uint32_t dispatcher);
// This dispatcher, not the first, is over.
void Park();
// Which classes of events are recorded (abi/trace_catalogue.h).
extern const std::atomic<std::uint32_t>* const trace_mask;
void SetEntries(const abi::DispatcherEntries& entries);
// Until an event is pending or the deadline (0: none) has passed.
void WaitForEvent(std::uint64_t deadline_ns);
void Yield();
void SetTimer(std::uint64_t deadline_ns);
// Tickets: numbers of the process (tickets.h), armed on the dispatcher that took them. True:
// cancelled, it will not fire. False: it has fired.
bool CancelTicket(std::uint32_t ticket);
// Result of a fired ticket.
Result<std::uint64_t> TicketResult(std::uint32_t ticket);
void Log(const char* text, std::size_t size);
std::uint64_t MonotonicNs();
// The CPU time of a dispatcher of this process, to the moment.
std::uint64_t UsedNs(std::uint32_t dispatcher);
std::int64_t RealtimeNs();
// Whether programs can read the clocks from it (abi/time_page.h), by the vDSO.
bool HasTimePage();

// -- memory --------------------------------------------------------------------------------------
// `object`: an open file, or kNoHandle for anonymous memory.
Result<std::uint64_t> Map(const proc::MapRequest& request, Handle object);
// The memory of an open file, for who maps several pieces of it (MapMemory), and then closes it.
Result<Handle> MemoryOf(Handle file);
Result<std::uint64_t> MapMemory(const proc::MapRequest& request, Handle memory);
Status Unmap(std::uint64_t address, std::uint64_t size);
Status Protect(std::uint64_t address, std::uint64_t size, std::uint32_t protection);
Result<std::uint64_t> Remap(std::uint64_t address, std::uint64_t old_size, std::uint64_t new_size,
                            std::uint32_t flags, std::uint64_t new_address);
Status Advise(std::uint64_t address, std::uint64_t size, proc::Advice advice);
Status QueryRegion(std::uint64_t address, proc::RegionInfo* info);
Status SyncMemory(std::uint64_t address, std::uint64_t size);
Status QueryMemory(proc::MemoryUse* use);
// Fresh zero memory for the personality's heap; successive blocks adjoin. Null: none.
char* GrowHeap(std::size_t size);
// Another task's memory to or from `buffer`, which may be the program's. Bytes copied.
Result<std::uint64_t> ReadMemory(std::uint32_t task, std::uint64_t address, std::uint64_t buffer,
                                 std::uint64_t size);
Result<std::uint64_t> WriteMemory(std::uint32_t task, std::uint64_t address, std::uint64_t buffer,
                                  std::uint64_t size);
Status WaitWord(std::uint64_t address, std::uint32_t expected, std::uint32_t mask,
                std::uint32_t ticket);
Result<std::uint64_t> WakeWord(std::uint64_t address, std::uint32_t count, std::uint32_t mask);

// -- processes and tasks (task 0: the one this thread acts for)
// ------------------------------------ The child continues after SaveContext with 1 (entry.S), on a
// copy of all memory and handles, with no vector state of its own yet. Returns its number, in the
// parent.
Result<std::uint32_t> Fork(const std::uint64_t context[8], std::uint32_t exit_signal);
// A new process from this image, for `task` of this process or as a new child (0).
Result<std::uint32_t> Spawn(std::uint32_t task, std::uint32_t exit_signal, const void* blob,
                            std::size_t blob_size, const Handle* handles, std::size_t count);
// This process starts again from its image. Returns only if refused.
Status Replace(const void* blob, std::size_t blob_size, const Handle* handles, std::size_t count);
// Does not return for the main task.
void Exit(std::uint32_t task, proc::ExitKind kind, std::uint32_t code);
Status WaitChild(const proc::WaitRequest& request, proc::WaitResult* found, std::uint32_t ticket);
Result<std::uint32_t> NewTask(std::uint32_t exit_signal);
Result<std::uint32_t> NewThread(std::uint32_t task);
void EndThread(std::uint32_t thread);
void SetTask(std::uint32_t task);
// The CPU's %fs base from now on, and after every switch of the dispatcher.
void LoadFsBase(std::uint64_t base);
Result<std::uint32_t> Kill(const proc::SignalRequest& request);
Status TakeSignal(std::uint32_t task, proc::SignalInfo* info);
void Stop(std::uint32_t task, std::uint32_t signal);
Status GetTask(std::uint32_t task, proc::TaskInfo* info);
Result<std::uint32_t> GetNumber(std::uint32_t task, proc::TaskNumber which);
Result<std::uint32_t> GetText(std::uint32_t task, proc::TaskText text, void* buffer,
                              std::size_t size);
Status SetText(std::uint32_t task, proc::TaskText text, const void* value, std::size_t size);
Result<std::uint64_t> GetOption(std::uint32_t task, proc::TaskOption option);
Status SetOption(std::uint32_t task, proc::TaskOption option, std::uint64_t value);
Status SetGroup(std::uint32_t task, std::uint32_t group);
Result<std::uint32_t> NewSession();
Status GetCredential(proc::Credential* credential);
Status SetCredential(std::uint32_t flags, const proc::Credential& credential);
Status GetLimit(std::uint32_t task, proc::LimitKind kind, proc::Limit* limit);
Status SetLimit(std::uint32_t task, proc::LimitKind kind, const proc::Limit& limit);
Status GetSchedule(std::uint32_t task, proc::Schedule* schedule);
Status SetSchedule(std::uint32_t task, const proc::Schedule& schedule);

// -- the node ------------------------------------------------------------------------------------
Status GetNode(proc::NodeInfo* info);
// Counted, for operators.
void NoteUnserved(std::uint32_t number);
Status SetNodeName(const char* name, std::size_t size);
Status GetRandom(void* bytes, std::size_t size);

// -- names ---------------------------------------------------------------------------------------
struct Path {
  Handle directory;  // where a relative path starts; kNoHandle: the root
  const char* text;
  std::size_t size;
};
Result<Handle> Open(const Path& path, std::uint32_t flags, std::uint32_t mode);
Status GetAttributes(const Path& path, std::uint32_t walk, fs::FileAttributes* attributes);
Status SetAttributes(const Path& path, std::uint32_t walk, const fs::AttributeChange& change);
Status CheckAccess(const Path& path, std::uint32_t walk, std::uint32_t access);
Status MakeDirectory(const Path& path, std::uint32_t mode);
Status MakeNode(const Path& path, fs::FileKind kind, std::uint32_t mode);
Status Remove(const Path& path, std::uint32_t flags);
Status Rename(const Path& from, const Path& to, std::uint32_t flags);
Status Link(const Path& from, const Path& to, std::uint32_t walk);
Status MakeSymbolicLink(const char* target, std::size_t size, const Path& path);
// The size of the text, which is cut to the buffer.
Result<std::uint64_t> ReadLink(const Path& path, char* text, std::size_t size);
Status GetFileSystem(const Path& path, fs::FileSystemInfo* info);
Result<std::uint64_t> GetPath(Handle file, char* path, std::size_t size);
Result<Handle> MakeUnnamed(std::uint32_t flags);
// Read for what happens to files (abi/file_event.h).
Result<Handle> MakeFileWatcher(std::uint32_t flags);
Result<std::uint32_t> AddWatch(Handle watcher, const Path& path, std::uint32_t walk,
                               std::uint32_t events);
Status RemoveWatch(Handle watcher, std::uint32_t watch);
// Memory for files that this process has to itself, mapped (not in a forked child).
Result<Handle> MakeFileSlots(abi::FileSlots** memory);
// Where the windows of those slots are from now on (neither in a forked child).
Result<char*> MapFileWindows(Handle slots);
// As Open; the slot's word tells whether the file is in it.
Result<Handle> OpenInSlot(Handle slots, const Path& path, std::uint32_t flags, std::uint32_t mode,
                          std::uint32_t slot);
// Whether opening `path` with `flags` would give what `file` is (fs/name_space.idl).
Status CheckAgain(const Path& path, Handle file, std::uint32_t flags);
Status UseSlot(Handle slots, Handle file, std::uint32_t slot, std::uint32_t transfers);

// -- open files (buffers may be the program's: a bad one makes the call fail)
// ----------------------
void Close(Handle handle);
Result<Handle> Duplicate(Handle handle);
// A longer transfer ends there; of what is no stream the caller goes on.
inline constexpr std::uint64_t kMostAtOnce = 16u << 20;
Result<std::uint64_t> Read(Handle file, std::uint64_t buffer, std::uint64_t size);
// Of a stream: kPending if there is nothing yet; the ticket fires when there is.
Result<std::uint64_t> ReadOrArm(Handle file, std::uint64_t buffer, std::uint64_t size,
                                std::uint32_t ticket);
Result<std::uint64_t> Write(Handle file, std::uint64_t buffer, std::uint64_t size);
// Of streams, which have no reason to go on in the kernel: kWouldBlock is their last word.
Result<std::uint64_t> ReadStream(Handle stream, std::uint64_t buffer, std::uint64_t size);
Result<std::uint64_t> WriteStream(Handle stream, std::uint64_t buffer, std::uint64_t size);
Result<std::uint64_t> ReadAt(Handle file, std::uint64_t offset, std::uint64_t buffer,
                             std::uint64_t size);
Result<std::uint64_t> WriteAt(Handle file, std::uint64_t offset, std::uint64_t buffer,
                              std::uint64_t size);
Result<std::uint64_t> Seek(Handle file, std::int64_t offset, fs::SeekFrom from);
// Records of abi/directory_record.h.
Result<std::uint64_t> ReadDirectory(Handle file, void* records, std::size_t size);
Status GetFileAttributes(Handle file, fs::FileAttributes* attributes);
Status SetFileAttributes(Handle file, const fs::AttributeChange& change);
Status FileSystemOf(Handle file, fs::FileSystemInfo* info);
Result<std::uint32_t> GetFlags(Handle file);
Status SetFlags(Handle file, std::uint32_t flags);
Result<fs::FileKind> Kind(Handle file);
Status Allocate(Handle file, fs::AllocateMode mode, std::uint64_t offset, std::uint64_t size);
Status Sync(Handle file, bool data_only);
// With `wait` the thread sleeps until it has the lock; a signal ends the wait with kCancelled.
Status LockRange(Handle file, const fs::RangeLock& lock, bool wait);
Status QueryLock(Handle file, const fs::RangeLock& lock, fs::RangeLock* found);
Status LockWhole(Handle file, fs::LockKind kind, bool wait);
void DropProcessLocks(Handle file);
Result<std::uint64_t> Control(Handle file, std::uint32_t operation, const void* in,
                              std::size_t in_size, void* out, std::size_t out_size);
// The packed abi::PollWord.
Result<std::uint64_t> PollState(Handle file);
Status Arm(Handle file, std::uint32_t mask, std::uint64_t since, std::uint32_t ticket);
// True: the ticket is free again. False: it has fired or is about to.
bool Disarm(Handle file, std::uint32_t ticket);

// -- streams -------------------------------------------------------------------------------------
Result<Handle> MakePipe(std::uint32_t flags, Handle* writer);
Result<Handle> MakeEventCounter(std::uint64_t value, bool semaphore);
// Stands for a task: readable once that has ended.
Result<Handle> OpenTask(std::uint32_t task, std::uint32_t flags);
// Its number; kNoProcess: nobody has it any more.
Result<std::uint32_t> NumberOfTask(Handle task);
Result<Handle> MakeSocket(io::SocketFamily family, io::SocketType type, std::uint32_t protocol);
Result<Handle> MakeSocketPair(io::SocketType type, Handle* other);
Status Bind(Handle socket, Handle directory, const io::SocketAddress& address, std::uint32_t mode);
Status Listen(Handle socket, std::uint32_t backlog);
Result<Handle> Accept(Handle socket);
Status Connect(Handle socket, Handle directory, const io::SocketAddress& address);
Result<std::uint64_t> Send(Handle socket, Handle directory, std::uint64_t buffer,
                           std::uint64_t size, const io::SocketMessage& message,
                           std::uint32_t flags);
Result<std::uint64_t> Receive(Handle socket, std::uint64_t buffer, std::uint64_t size,
                              std::uint32_t flags, std::uint32_t room, io::SocketMessage* message);
Status Shutdown(Handle socket, io::ShutdownSide side);
Status GetName(Handle socket, bool peer, io::SocketAddress* address);
Result<std::int64_t> GetSocketOption(Handle socket, io::SocketOption option);
Status SetSocketOption(Handle socket, io::SocketOption option, std::int64_t value);
Status GetPeerIdentity(Handle socket, io::SenderIdentity* identity);

}  // namespace k42::personality::kernel
