// The dispatcher page: what the kernel and one dispatcher of a process share.
//
// Convenience, never authority: the kernel reaches it by its own pinned alias, copies each field it
// needs once, validates what it resumes, and keeps in kernel memory whatever it must be able to
// trust. User %gs points at it whenever the kernel enters user space through an entry point.
//
// States of a dispatcher, seen from user space:
//   enabled   (disabled == 0): program code runs. The kernel may stop it at any instruction, store
//             its state in `saved` and upcall run_entry with disabled set.
//   disabled  (disabled == 1): dispatcher code (scheduler, Linux personality) runs. No upcall: the
//             kernel keeps the interrupted state itself and later resumes it in place; events pile
//             up in `pending`. A fault that user space must handle upcalls trap_entry even so.
// Leaving the disabled state is a small assembly range that (1) tests `pending`, (2) clears
// `disabled`, (3) jumps to the program. The range is registered in DispatcherEntries; a stop inside
// it is rewound by the kernel to its start, so that no event is lost between (1) and (3).
//
// A Linux `syscall` by enabled code is reflected: the kernel sets disabled = 1, stores the return
// address in `syscall_rip`, and continues at syscall_entry with all registers as the program had
// them, but RCX (lost) and R11 (= RFLAGS, as hardware does). A Linux `syscall` while disabled is a
// fault of the dispatcher (trap_entry, kTrapSyscallDisabled).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace k42::abi {

inline constexpr std::uint32_t kPageSize = 4096;

// Events in `pending`. The kernel sets bits, user space takes them (atomic exchange with 0).
enum Event : std::uint32_t {
  kEventPreempt = 1u << 0,  // the CPU is wanted: call kYield soon or be stopped hard
  kEventTimer = 1u << 1,    // the deadline of kSetTimer has passed
  kEventTicket = 1u << 2,   // some bit of tickets_fired was set
  kEventSignal = 1u << 3,   // signals_pending changed
  kEventFault = 1u << 4,    // some bit of faults_completed was set
  kEventMessage = 1u << 5,  // asynchronous messages wait, or another dispatcher calls (kNotify)
  kEventLimits = 1u << 6,   // another process has changed limits of this one
};

// General state of a stopped computation, in the order the assembly saves it.
struct UserState {
  std::uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
  std::uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
  std::uint64_t rip, rflags, fs_base, reserved;
};
static_assert(sizeof(UserState) == 20 * 8);

// XSAVE image, standard format, components x87|SSE|AVX at most (first version: what fits 1 KiB).
inline constexpr std::uint32_t kVectorStateSize = 1024;

enum TrapKind : std::uint32_t {
  kTrapNone = 0,
  kTrapException = 1,     // `vector` is the hardware's
  kTrapPageFault = 2,     // no mapping or no permission: address, error code
  kTrapFaultBlocked = 3,  // enabled code only: page is on its way; `fault_id` will complete
  kTrapSyscallDisabled = 4,
  kTrapPageLost = 5,  // mapped, but beyond the end of the object, or its page cannot be read
};

struct TrapInfo {
  std::uint32_t kind;        // TrapKind
  std::uint32_t vector;      // hardware vector
  std::uint64_t error_code;  // as hardware pushed it
  std::uint64_t address;     // CR2 for page faults
  std::uint32_t fault_id;
  std::uint32_t was_disabled;  // the trap hit disabled code: `trapped` holds its state
};

// Per dispatcher, numbered by user space. Where an operation is given a ticket, its number is the
// calling dispatcher's own; where one is cancelled or disarmed, dispatchers count: see
// TicketNumber.
inline constexpr std::uint32_t kTicketCount = 16384;
inline constexpr std::uint32_t kFaultIdCount = 64;
// Of one process: one less than a word has bits, so that user space has a bit for each and one
// more.
inline constexpr std::uint32_t kDispatchersMax = 63;

// A ticket's number in its process.
constexpr std::uint32_t TicketNumber(std::uint32_t dispatcher, std::uint32_t ticket) {
  return dispatcher * kTicketCount + ticket;
}

struct alignas(kPageSize) DispatcherPage {
  // -- words that assembly reaches by %gs:offset (offsets asserted below) --
  DispatcherPage* self;                // 0
  std::uint32_t disabled;              // 8
  std::atomic<std::uint32_t> pending;  // 12: Event bits
  std::uint64_t syscall_rip;           // 16: return address of the reflected syscall
  void* thread;                        // 24: user space's own: current thread record
  std::uint64_t stack;                 // 32: user space's own: top of its dispatcher stack
  std::uint64_t scratch[3];            // 40: user space's own

  std::uint32_t dispatcher_index;              // 64: in its process
  std::uint32_t cpu;                           // CPU it last ran on
  std::uint64_t run_count;                     // upcalls and resumptions, for statistics
  std::atomic<std::uint64_t> signals_pending;  // bit n-1: signal n posted to this process
  std::atomic<std::uint64_t> faults_completed;
  std::atomic<std::uint32_t> parent;  // number of the main task's parent, 0: none
  // The main task's credential, for who wants to read it: the kernel keeps and checks its own.
  std::atomic<std::uint32_t> user, effective_user, group, effective_group;
  std::uint64_t trace_buffer;       // address; 0: not asked for (kTraceBuffer), 1: was refused
  std::atomic<std::uint64_t> used;  // CPU time, as of when it took or left the CPU: see UsedNs

  UserState saved;    // enabled state at an upcall
  UserState trapped;  // state of disabled code at a trap
  TrapInfo trap;
  std::uint32_t saved_vector_valid;  // saved_vector belongs to `saved`

  alignas(64) unsigned char saved_vector[kVectorStateSize];
  alignas(64) std::atomic<std::uint64_t> tickets_fired[kTicketCount / 64];
};
static_assert(sizeof(DispatcherPage) == kPageSize);
static_assert(offsetof(DispatcherPage, disabled) == 8);
static_assert(offsetof(DispatcherPage, pending) == 12);
static_assert(offsetof(DispatcherPage, syscall_rip) == 16);
static_assert(offsetof(DispatcherPage, thread) == 24);
static_assert(offsetof(DispatcherPage, stack) == 32);
static_assert(offsetof(DispatcherPage, scratch) == 40);

// CPU time by a word that is the time doubled or, while somebody runs, one more than twice the
// moment at which he would have had to begin to have used as much by now.
constexpr std::uint64_t UsedNs(std::uint64_t word, std::uint64_t now_ns) {
  if ((word & 1) == 0)
    return word >> 1;
  const auto used = static_cast<std::int64_t>((now_ns << 1) - (word & ~std::uint64_t{1})) >> 1;
  return used > 0 ? static_cast<std::uint64_t>(used) : 0;  // the reader's clock may be behind
}

// Follows the dispatcher page: results of calls that ended by a ticket (kPending).
struct alignas(kPageSize) TicketResults {
  struct Entry {
    std::int64_t status;  // Status
    std::uint64_t value;
  } entry[kTicketCount];
  static constexpr std::uint32_t kPerPage = kPageSize / sizeof(Entry);
};

// Registered once by kSetEntries. All addresses are user addresses of the personality or runtime.
struct DispatcherEntries {
  std::uint64_t run_entry;  // upcall: `saved` holds the stopped enabled state (if any)
  std::uint64_t trap_entry;
  std::uint64_t syscall_entry;  // reflected Linux system calls
  std::uint64_t leave_begin;    // [begin, end): the range that leaves the disabled state
  std::uint64_t leave_end;
  std::uint64_t call_entry;  // protected calls (abi/served_call.h); 0: it serves none
};

// Layout of the lower half of a user address space.
inline constexpr std::uint64_t kUserLimit = 0x0000'8000'0000'0000 - kPageSize;
inline constexpr std::uint64_t kPersonalityBase =
    0x0000'7ffe'0000'0000;  // 7 GiB of heap, for who has filled what follows the image
inline constexpr std::uint64_t kImageBase =
    0x0000'7fff'c000'0000;  // image, heap: in one table of page tables with the dispatchers
inline constexpr std::uint64_t kPersonalityLimit =
    0x0000'7fff'f000'0000;  // the top, hidden from maps
inline constexpr std::uint64_t kFileSlotsAddress =
    0x0000'7fff'f080'0000;  // abi/file_slot.h, once the process has asked for them
inline constexpr std::uint64_t kDispatcherBase =
    0x0000'7fff'f100'0000;  // page, results, trace buffer
inline constexpr std::uint64_t kDispatcherStride = 0x80000;
// Where a dispatcher's trace buffer is mapped, from its page, once it has asked for one.
inline constexpr std::uint64_t kTraceBufferOffset = 0x60000;
// Between the first dispatcher's results and its trace buffer: the same page-table page.
inline constexpr std::uint64_t kTimePageAddress = kDispatcherBase + kTraceBufferOffset - kPageSize;
static_assert(sizeof(DispatcherPage) + sizeof(TicketResults) <= kTraceBufferOffset - kPageSize);
inline constexpr std::uint64_t kUserMapLimit = kPersonalityBase;  // programs map below this

}  // namespace k42::abi
