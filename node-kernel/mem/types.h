// Words that every part of mem shares: protections, kinds of access, what a fault can answer.
#pragma once

#include <cstdint>

#include "base/align.h"
#include "base/intrusive_list.h"
#include "base/result.h"
#include "platform/contract/types.h"

namespace k42::mem {

using machine::kPageShift;
using machine::kPageSize;
using machine::PhysAddr;

inline constexpr std::uint64_t kLargePageSize = 2ull << 20;
inline constexpr std::uint32_t kPagesPerLargePage = kLargePageSize / kPageSize;

constexpr std::uint64_t PageIndex(std::uint64_t address) {
  return address >> kPageShift;
}
constexpr std::uint64_t PageFloor(std::uint64_t address) {
  return AlignDown(address, kPageSize);
}

// Bits of what user code may do with a region. Anything may be combined (write and execute too:
// W^X is the kernel's own rule, not the programs').
using Protection = std::uint8_t;
inline constexpr Protection kProtectNone = 0;
inline constexpr Protection kProtectRead = 1;
inline constexpr Protection kProtectWrite = 2;
inline constexpr Protection kProtectExecute = 4;

// What a faulting instruction wanted. The hardware grants reading with writing and executing.
enum class Access : std::uint8_t { kRead, kWrite, kExecute };

constexpr bool Permits(Protection protection, Access access) {
  switch (access) {
    case Access::kRead:
      return protection != kProtectNone;
    case Access::kWrite:
      return (protection & kProtectWrite) != 0;
    case Access::kExecute:
      return (protection & kProtectExecute) != 0;
  }
  return false;
}

// What is to happen where a caller would have to wait for what may take long.
enum class Waiting : std::uint8_t {
  kNo,   // kWouldBlock, with nothing done
  kYes,  // the calling thread waits (Thread::BlockExternal)
};

// Who waits for a page: embedded in whatever stands for the stopped user thread. A fault that
// answers kPending has queued it; `notify` is called once, later, on any CPU, in thread context, no
// locks held. Then the access is made again (or, if `status` is an error, given up).
struct FaultWaiter : ListLink<> {
  using Notify = void (*)(FaultWaiter*);
  explicit FaultWaiter(Notify notify_function) : notify(notify_function) {}
  Notify notify;
  Status status = Status::kOk;
};
using FaultWaiters = IntrusiveList<FaultWaiter>;

// Notifies and empties the list. No lock may be held.
void NotifyAll(FaultWaiters& waiters, Status status);

// What the answers of a fault mean:
//   kOk           resolved: run the instruction again
//   kPending      the waiter will be notified
//   kBadAddress   nothing mapped there
//   kPermissionDenied   mapped, but not for this access
//   kOutOfRange   mapped, but beyond the end of the object (Linux: SIGBUS)
//   kIoError      the page could not be read (SIGBUS)
//   kNoMemory     no frame, even after reclaiming

}  // namespace k42::mem
