#include "user/linux/futex.h"

#include "user/linux/call_support.h"
#include "user/linux/dispatcher.h"

namespace k42::personality {
namespace {

// FutexOperation.
constexpr std::uint32_t kWait = 0, kWake = 1, kRequeue = 3, kCompareRequeue = 4, kWakeOperation = 5,
                        kWaitBits = 9, kWakeBits = 10, kPrivate = 128, kByRealtime = 256;
constexpr std::uint32_t kAllBits = ~0u;
constexpr std::uint32_t kOwnerDied = 0x40000000, kWaiters = 0x80000000, kTidMask = 0x3fffffff;
constexpr int kRobustMax = 2048;
constexpr std::size_t kQueues = 64;

struct RobustHead {
  std::uint64_t next;
  std::int64_t offset;
  std::uint64_t pending;
};

using Queue = List<Thread, &Thread::wait_link>;
Queue queues[kQueues];

Queue& QueueOf(std::uint64_t address) {
  return queues[(address >> 2 ^ address >> 12) % kQueues];
}

std::uint32_t WakePrivate(std::uint64_t address, std::uint32_t count, std::uint32_t bits) {
  Queue& queue = QueueOf(address);
  std::uint32_t woken = 0;
  for (Thread* thread = queue.first(); thread && woken < count;) {
    Thread* next = queue.Next(thread);
    if (thread->wait_key == address && (thread->wait_bits & bits) != 0) {
      queue.Remove(thread);
      Here().Wakeup(thread, Wake::kEvent);
      ++woken;
    }
    thread = next;
  }
  return woken;
}

// A wait with an end is not begun again by a handler's wish.
std::int64_t AfterSignal(std::uint64_t deadline_ns) {
  return deadline_ns != 0 ? -kERESTARTNOHAND : -kERESTARTSYS;
}

std::int64_t WaitPrivate(Thread& thread, std::uint64_t address, std::uint32_t expected,
                         std::uint64_t deadline_ns, std::uint32_t bits) {
  std::uint32_t value = 0;
  if (!LoadUser32(address, &value)) {
    return -kEFAULT;
  }
  if (value != expected) {
    return -kEAGAIN;
  }
  thread.wait_key = address;
  thread.wait_bits = bits;
  QueueOf(address).PushBack(&thread);
  for (;;) {
    const Wake wake = Here().Block(deadline_ns, true);
    // Requeue may have moved us: the key says where we are.
    Queue& queue = QueueOf(thread.wait_key);
    if (!queue.Contains(&thread)) {
      return 0;  // only a waker takes us off
    }
    if (wake == Wake::kEvent) {
      continue;
    }
    queue.Remove(&thread);
    return wake == Wake::kTimeout ? -kETIMEDOUT : AfterSignal(deadline_ns);
  }
}

std::int64_t WaitShared(std::uint64_t address, std::uint32_t expected, std::uint64_t deadline_ns,
                        std::uint32_t bits) {
  ScopedTicket ticket;
  if (!ticket.valid()) {
    return -kENOMEM;
  }
  const Status status = kernel::WaitWord(address, expected, bits, ticket.number());
  if (status != Status::kOk && status != Status::kPending) {
    return ErrnoOf(status);
  }
  ticket.SetArmed();
  switch (ticket.Wait(deadline_ns, true)) {
    case Wake::kEvent:
      return 0;
    case Wake::kTimeout:
      return -kETIMEDOUT;
    default:
      return AfterSignal(deadline_ns);
  }
}

std::int64_t Requeue(std::uint64_t from, std::uint64_t to, std::uint32_t wake,
                     std::uint32_t requeue) {
  const std::uint32_t woken = WakePrivate(from, wake, kAllBits);
  std::uint32_t moved = 0;
  Queue& source = QueueOf(from);
  for (Thread* thread = source.first(); thread && moved < requeue;) {
    Thread* next = source.Next(thread);
    if (thread->wait_key == from) {
      source.Remove(thread);
      thread->wait_key = to;
      QueueOf(to).PushBack(thread);
      ++moved;
    }
    thread = next;
  }
  return woken + moved;
}

// FUTEX_WAKE_OP: changes the second word, wakes by what it was.
std::int64_t WakeAndOperate(std::uint64_t word, std::uint64_t word2, std::uint32_t wake,
                            std::uint32_t wake2, std::uint32_t code, bool is_private) {
  const std::uint32_t operation = code >> 28 & 7, comparison = code >> 24 & 15;
  std::int32_t argument = static_cast<std::int32_t>(code << 8) >> 20;
  const std::int32_t compared = static_cast<std::int32_t>(code << 20) >> 20;
  if (code >> 31) {
    argument = 1 << (argument & 31);
  }
  std::uint32_t old = 0;
  if (!LoadUser32(word2, &old)) {
    return -kEFAULT;
  }
  for (bool exchanged = false; !exchanged;) {
    const auto operand = static_cast<std::uint32_t>(argument);
    std::uint32_t next = 0;
    switch (operation) {
      case 0:
        next = operand;
        break;
      case 1:
        next = old + operand;
        break;
      case 2:
        next = old | operand;
        break;
      case 3:
        next = old & ~operand;
        break;
      case 4:
        next = old ^ operand;
        break;
      default:
        return -kENOSYS;
    }
    if (!CompareExchangeUser32(word2, &old, next, &exchanged)) {
      return -kEFAULT;
    }
  }
  const auto was = static_cast<std::int32_t>(old);
  bool wake_second = false;
  switch (comparison) {
    case 0:
      wake_second = was == compared;
      break;
    case 1:
      wake_second = was != compared;
      break;
    case 2:
      wake_second = was < compared;
      break;
    case 3:
      wake_second = was <= compared;
      break;
    case 4:
      wake_second = was > compared;
      break;
    case 5:
      wake_second = was >= compared;
      break;
    default:
      return -kENOSYS;
  }
  const auto wake_at = [&](std::uint64_t address, std::uint32_t count) -> std::int64_t {
    return is_private ? std::int64_t{WakePrivate(address, count, kAllBits)}
                      : ToReply(kernel::WakeWord(address, count, kAllBits));
  };
  const std::int64_t woken = wake_at(word, wake);
  return wake_second && woken >= 0 ? woken + wake_at(word2, wake2) : woken;
}

// Marks one robust lock. False: stop walking.
bool LeaveLock(std::uint64_t word, std::int32_t tid) {
  std::uint32_t value = 0;
  if (!LoadUser32(word, &value)) {
    return false;
  }
  while ((value & kTidMask) == static_cast<std::uint32_t>(tid)) {
    bool exchanged = false;
    if (!CompareExchangeUser32(word, &value, (value & kWaiters) | kOwnerDied, &exchanged)) {
      return false;
    }
    if (exchanged) {
      if (value & kWaiters) {
        WakeFutex(word, 1);
      }
      break;
    }
  }
  return true;
}

}  // namespace

void WakeFutex(std::uint64_t address, std::uint32_t count) {
  const std::uint32_t woken = WakePrivate(address, count, kAllBits);
  if (woken < count) {
    (void)kernel::WakeWord(address, count - woken, kAllBits);
  }
}

bool HasRobustFutexes(const Thread& thread) {
  RobustHead head;
  return thread.robust_list != 0 && ReadUser(&head, thread.robust_list) &&
         ((head.next & ~1ull) != thread.robust_list || head.pending != 0);
}

void LeaveRobustFutexes(Thread& thread) {
  RobustHead head;
  if (thread.robust_list == 0 || !ReadUser(&head, thread.robust_list)) {
    return;
  }
  const auto word = [&](std::uint64_t entry) {
    return (entry & ~1ull) + static_cast<std::uint64_t>(head.offset);
  };
  std::uint64_t entry = head.next;
  for (int i = 0; i < kRobustMax && (entry & ~1ull) != thread.robust_list; ++i) {
    std::uint64_t next = 0;
    if (!ReadUser(&next, entry & ~1ull)) {
      return;
    }
    if (entry != head.pending && !LeaveLock(word(entry), thread.tid)) {
      return;
    }
    entry = next;
  }
  if (head.pending != 0) {
    (void)LeaveLock(word(head.pending), thread.tid);
  }
}

void ForgetFutexWaiters() {
  for (Queue& queue : queues) {
    while (queue.PopFront()) {
    }
  }
}

namespace calls {

Reply Futex(Thread& thread, Address word, U32 operation, U32 value, Address timeout, Address word2,
            U32 value3) {
  const bool is_private = (operation & kPrivate) != 0;
  const U32 command = operation & ~(kPrivate | kByRealtime);
  if (word % 4 != 0) {
    return -kEINVAL;
  }
  switch (command) {
    case kWait:
    case kWaitBits: {
      const U32 bits = command == kWaitBits ? value3 : kAllBits;
      if (bits == 0) {
        return -kEINVAL;
      }
      TimeLimit limit(thread);
      std::uint64_t deadline = 0;
      if (timeout != 0) {
        std::int64_t ns = 0;
        if (const std::int64_t error = ReadTimespec(timeout, &ns)) {
          return error;
        }
        if (command == kWait) {
          deadline = limit.After(ns);
        } else {  // absolute
          if (operation & kByRealtime) {
            const std::int64_t offset =
                kernel::RealtimeNs() - static_cast<std::int64_t>(kernel::MonotonicNs());
            ns = ns > offset ? ns - offset : 1;
          }
          deadline = ns > 0 ? static_cast<std::uint64_t>(ns) : 1;
        }
      }
      return limit.Keep(is_private ? WaitPrivate(thread, word, value, deadline, bits)
                                   : WaitShared(word, value, deadline, bits));
    }
    case kWake:
    case kWakeBits: {
      const U32 bits = command == kWakeBits ? value3 : kAllBits;
      if (bits == 0) {
        return -kEINVAL;
      }
      if (!InProgram(word, 4)) {
        return -kEFAULT;
      }
      return is_private ? Reply{WakePrivate(word, value, bits)}
                        : ToReply(kernel::WakeWord(word, value, bits));
    }
    case kRequeue:
    case kCompareRequeue: {
      if (!InProgram(word, 4) || !InProgram(word2, 4)) {
        return -kEFAULT;
      }
      U32 found = 0;
      if (command == kCompareRequeue) {
        if (!LoadUser32(word, &found)) {
          return -kEFAULT;
        }
        if (found != value3) {
          return -kEAGAIN;
        }
      }
      if (!is_private) {  // those who would wait for the other word are woken: they look again
        const U64 all = U64{value} + static_cast<U32>(timeout);
        return LoadUser32(word, &found) && LoadUser32(word2, &found)
                   ? ToReply(kernel::WakeWord(
                         word, all < UINT32_MAX ? static_cast<U32>(all) : UINT32_MAX, kAllBits))
                   : -kEFAULT;
      }
      return Requeue(word, word2, value, static_cast<U32>(timeout));
    }
    case kWakeOperation:
      return WakeAndOperate(word, word2, value, static_cast<U32>(timeout), value3, is_private);
    default:
      return -kENOSYS;
  }
}

Reply SetRobustList(Thread& thread, Address head, U64 size) {
  if (size != 24) {
    return -kEINVAL;
  }
  thread.robust_list = head;
  return 0;
}

Reply GetRobustList(Thread& thread, I32 tid, Address head, Address size) {
  Thread* target = tid == 0 ? &thread : FindThread(tid);
  if (!target) {
    return -kESRCH;
  }
  const std::uint64_t bytes = 24;
  return WriteUser(head, target->robust_list) && WriteUser(size, bytes) ? 0 : -kEFAULT;
}

}  // namespace calls
}  // namespace k42::personality
