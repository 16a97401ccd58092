// Native calls: how user space asks the kernel for anything.
//
// `syscall` with RAX = kNativeTag << 32 | handle << 8 | method, arguments in RDI RSI RDX R10 R8 R9.
// Back come RAX = Status (zero or negative) and RDX = the value of a Result<T>. RCX and R11 are
// lost (hardware), the vector registers, RBX, RBP, R12-R15 and RSP survive, the remaining argument
// registers are undefined. A `syscall` without the tag is a Linux system call and is reflected to
// the dispatcher's syscall entry (abi/dispatcher_page.h): there is no mode to race on.
//
// A handle names an object the process may call: 16 bits of index, 8 bits of generation, so that a
// closed and reused index refuses the stale handle (kBadHandle). Handle 0 is the calling dispatcher
// itself (DispatcherCall below); the next few are granted to each process at birth.
#pragma once

#include <cstdint>

namespace k42::abi {

inline constexpr std::uint64_t kNativeTag = 0x4b343200;  // "K42\0"

using Handle = std::uint32_t;  // 24 bits used
inline constexpr std::uint32_t kHandleIndexBits = 16;
inline constexpr std::uint32_t kHandleGenerationBits = 8;

constexpr Handle MakeHandle(std::uint32_t index, std::uint32_t generation) {
  return (generation & 0xff) << kHandleIndexBits | (index & 0xffff);
}
constexpr std::uint32_t HandleIndex(Handle handle) {
  return handle & 0xffff;
}
constexpr std::uint32_t HandleGeneration(Handle handle) {
  return handle >> kHandleIndexBits & 0xff;
}

constexpr std::uint64_t NativeNumber(Handle handle, std::uint32_t method) {
  return kNativeTag << 32 | std::uint64_t{handle} << 8 | (method & 0xff);
}

// Granted to every process at birth, generation 0.
inline constexpr Handle kDispatcherHandle = 0;  // DispatcherCall, not an object
inline constexpr Handle kProcessHandle = 1;     // proc/process.idl: my own process
inline constexpr Handle kNameSpaceHandle = 2;   // fs/name_space.idl
inline constexpr Handle kNodeHandle = 3;        // proc/node.idl: name, boot id, CPUs, memory, time
inline constexpr Handle kIoHandle = 4;          // io/io_factory.idl: pipes, sockets, terminals
inline constexpr Handle kClusterHandle = 5;     // global/cluster_objects.idl: shared by all nodes
inline constexpr Handle kExporterHandle = 6;    // proc/exporter.idl: own objects for others to call
inline constexpr std::uint32_t kFirstFreeHandleIndex = 16;

// Methods of handle 0: what a dispatcher asks about itself. They need no object and no lookup.
enum class DispatcherCall : std::uint32_t {
  kNull = 0,    // does nothing: the floor of a native call
  kWait = 1,    // (deadline_ns): gives up the CPU until an event is pending or the monotonic
                // clock reaches the deadline (0: no deadline). Returns at once if one is pending.
  kYield = 2,   // to other dispatchers of this CPU
  kResume = 3,  // (UserState*): enable and continue that state, after validation; no return
  kSetEntries = 4,     // (DispatcherEntries*): once, before the first upcall
  kCancelTicket = 5,   // (TicketNumber): kOk cancelled, kAlreadyCompleted too late; exactly one is
                       // true. Of any dispatcher of the process
  kSetTimer = 6,       // (deadline_ns): kEventTimer at that monotonic time; 0 disarms
  kLog = 7,            // (text, size <= 256): to the kernel's log, attributed
  kAddDispatcher = 8,  // (cpu, UserState*) -> its index: a further dispatcher of the process, which
                       // starts there, disabled, with the caller's entries. kLimitExceeded;
                       // kInvalidArgument: not a CPU for this process
  kSetFsBase = 9,  // (address): only for machines where user space must not write it; else wrfsbase
  kSetTask = 10,  // (task): calls of this dispatcher are made on behalf of that task of the process
  kTraceBuffer = 11,  // () -> its address: this dispatcher's trace buffer, made when first asked
                      // for (trace/user_buffer.h); kNoMemory, kLimitExceeded: none to be had
  kServe = 12,        // idle: takes calls (abi/served_call.h) until an event is pending
  kReturnCall = 13,   // (number, status, value): ends the call that this code serves; no return
  kNotify = 14,       // (index): kEventMessage for that dispatcher of the process
  kPark =
      15,  // gives up its CPU for good, or until kAddDispatcher takes it for a new one; all it had
           // (entries, tickets, timer) is gone; no return. kNotSupported: the first one stays
};

// Where a method takes a ticket: none given, answer kWouldBlock instead of kPending.
inline constexpr std::uint32_t kNoTicket = 0xffff'ffff;

}  // namespace k42::abi
