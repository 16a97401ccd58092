// poll and select: look at each description; if none is ready, watch all and sleep.
#include <cstring>

#include "user/linux/call_support.h"
#include "user/linux/dispatcher.h"
#include "user/linux/poll_bits.h"
#include "user/linux/signals.h"

namespace k42::personality {
namespace {

constexpr std::uint64_t kForever = ~0ull;

struct PollWatch final : Watch {
  explicit PollWatch(Thread* waiter) : Watch(true), thread(waiter) {}
  void Ready() override {
    fired = true;
    Here().Wakeup(thread, Wake::kEvent);
  }
  Thread* thread;
  bool fired = false;
  Description* description = nullptr;  // one reference
};

// One descriptor of a poll, whatever call it came by.
struct PollItem {
  std::int32_t fd;
  std::uint32_t wanted;  // poll bits
  std::uint32_t found;
};

std::uint32_t Look(Thread& thread, const PollItem& item) {
  Description* description = thread.task->files->Peek(static_cast<std::uint32_t>(item.fd));
  if (!description) {
    return kPOLLNVAL;
  }
  const std::uint32_t ready = abi::PollWord::Unpack(description->Poll()).ready;
  return PollBits(ready) & (item.wanted | kPollAlways);
}

std::int64_t LookAtAll(Thread& thread, PollItem* items, std::uint32_t count) {
  std::int64_t ready = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    items[i].found = items[i].fd < 0 ? 0 : Look(thread, items[i]);
    ready += items[i].found != 0;
  }
  return ready;
}

// Until one of them may be ready, or the deadline. 0, or an error number: -ERESTARTNOHAND after a
// signal.
std::int64_t AwaitAny(Thread& thread, const PollItem* items, PollWatch* watches,
                      std::uint32_t count, std::uint64_t deadline_ns) {
  std::int64_t result = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    new (&watches[i]) PollWatch(&thread);
    DescriptionRef description = items[i].fd < 0
                                     ? DescriptionRef()
                                     : Descriptor(thread, static_cast<std::uint32_t>(items[i].fd));
    if (!description || result != 0) {
      continue;
    }
    const Status status =
        description->StartWatch(&watches[i], ReadyMask(items[i].wanted), abi::kArmLevel);
    if (status == Status::kOk) {
      watches[i].description = description.Take();
    } else {
      result = ErrnoOf(status);
    }
  }
  while (result == 0) {
    bool any = false;
    for (std::uint32_t i = 0; i < count; ++i) {
      any |= watches[i].fired;
    }
    if (any) {
      break;
    }
    const Wake wake = Here().Block(deadline_ns == kForever ? 0 : deadline_ns, true);
    if (wake == Wake::kSignal) {
      result = -kERESTARTNOHAND;
    } else if (wake == Wake::kTimeout) {
      break;
    }
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    if (watches[i].description) {
      watches[i].description->StopWatch(&watches[i]);
      Description::Release(watches[i].description);
    }
  }
  return result;
}

// Number of ready items; 0 after the deadline; -ERESTARTNOHAND after a signal.
std::int64_t PollItems(Thread& thread, PollItem* items, std::uint32_t count,
                       std::uint64_t deadline_ns) {
  Here().TakeEvents();
  std::int64_t ready = LookAtAll(thread, items, count);
  const auto is_over = [&] {
    return deadline_ns != kForever && deadline_ns <= kernel::MonotonicNs();
  };
  if (ready != 0 || is_over()) {
    return ready;
  }
  Buffer memory(count * sizeof(PollWatch));
  if (!memory) {
    return -kENOMEM;
  }
  // What one was woken for somebody else may have taken: then it sleeps again.
  for (;;) {
    const std::int64_t result = AwaitAny(thread, items, memory.As<PollWatch>(), count, deadline_ns);
    ready = LookAtAll(thread, items, count);
    if (ready != 0 || result != 0) {
      return ready != 0 ? ready : result;
    }
    if (is_over()) {
      return 0;
    }
  }
}

// From a timespec address; null: for ever. -EFAULT, -EINVAL or 0.
std::int64_t DeadlineFrom(std::uint64_t address, std::uint64_t* deadline_ns) {
  *deadline_ns = kForever;
  if (address == 0) {
    return 0;
  }
  std::int64_t ns = 0;
  if (const std::int64_t error = ReadTimespec(address, &ns)) {
    return error;
  }
  *deadline_ns = ns == 0 ? 0 : DeadlineAfter(ns);
  return 0;
}

// What is left of the time goes back to the program, as Linux does for ppoll and pselect.
void StoreRest(std::uint64_t address, std::uint64_t deadline_ns) {
  if (address == 0 || deadline_ns == kForever) {
    return;
  }
  const std::uint64_t now = kernel::MonotonicNs();
  const std::int64_t rest = deadline_ns > now ? static_cast<std::int64_t>(deadline_ns - now) : 0;
  (void)WriteUser(address, ToTimespec(rest));
}

std::int64_t PollDescriptors(Thread& thread, std::uint64_t address, std::uint32_t count,
                             std::uint64_t deadline_ns) {
  if (count > thread.task->files->limit) {
    return -kEINVAL;
  }
  Buffer users(count * sizeof(LinuxPollFd));
  Buffer memory(count * sizeof(PollItem));
  if (!users || !memory) {
    return -kENOMEM;
  }
  auto* fds = users.As<LinuxPollFd>();
  auto* items = memory.As<PollItem>();
  if (!CopyIn(fds, address, count * sizeof(LinuxPollFd))) {
    return -kEFAULT;
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    items[i] = {fds[i].fd, static_cast<std::uint16_t>(fds[i].events), 0};
  }
  const std::int64_t ready = PollItems(thread, items, count, deadline_ns);
  if (ready < 0) {
    return ready;
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto found = static_cast<std::int16_t>(items[i].found);
    if (!WriteUser(address + i * sizeof(LinuxPollFd) + offsetof(LinuxPollFd, revents), found)) {
      return -kEFAULT;
    }
  }
  return ready;
}

constexpr std::uint32_t kSelectMax = 1u << 16;
constexpr std::uint32_t kSelectRead = kPOLLIN | kPOLLRDNORM | kPOLLRDBAND | kPOLLHUP | kPOLLERR;
constexpr std::uint32_t kSelectWrite = kPOLLOUT | kPOLLWRNORM | kPOLLWRBAND | kPOLLERR;
constexpr std::uint32_t kSelectExcept = kPOLLPRI;

struct SelectSet {
  std::uint64_t address;
  std::uint64_t* bits;
  std::uint32_t meaning;
};

std::int64_t SelectDescriptors(Thread& thread, std::uint32_t count, std::uint64_t read,
                               std::uint64_t write, std::uint64_t except,
                               std::uint64_t deadline_ns) {
  if (count > kSelectMax) {
    return -kEINVAL;
  }
  const std::uint32_t size = thread.task->files->size();
  const std::uint32_t asked = count;
  count = count < size ? count : size;
  const std::uint32_t words = (asked + 63) / 64;
  Buffer bits(3 * words * 8 + 8);
  Buffer memory(count * sizeof(PollItem));
  if (!bits || !memory) {
    return -kENOMEM;
  }
  SelectSet sets[3] = {{read, bits.As<std::uint64_t>(), kSelectRead},
                       {write, bits.As<std::uint64_t>() + words, kSelectWrite},
                       {except, bits.As<std::uint64_t>() + 2 * words, kSelectExcept}};
  for (SelectSet& set : sets) {
    std::memset(set.bits, 0, words * 8);
    if (set.address != 0 && !CopyIn(set.bits, set.address, words * 8)) {
      return -kEFAULT;
    }
  }
  const auto in = [](const SelectSet& set, std::uint32_t fd) {
    return (set.bits[fd / 64] >> (fd % 64) & 1) != 0;
  };
  auto* items = memory.As<PollItem>();
  std::uint32_t used = 0;
  for (std::uint32_t fd = 0; fd < asked; ++fd) {
    std::uint32_t wanted = 0;
    for (const SelectSet& set : sets) {
      wanted |= in(set, fd) ? set.meaning : 0;
    }
    if (wanted == 0) {
      continue;
    }
    if (!thread.task->files->Peek(fd)) {
      return -kEBADF;
    }
    items[used++] = {static_cast<std::int32_t>(fd), wanted, 0};
  }
  const std::int64_t ready = PollItems(thread, items, used, deadline_ns);
  if (ready < 0) {
    return ready;
  }
  std::int64_t total = 0;
  for (SelectSet& set : sets) {
    Buffer result(words * 8 + 8);
    if (!result) {
      return -kENOMEM;
    }
    auto* out = result.As<std::uint64_t>();
    std::memset(out, 0, words * 8);
    for (std::uint32_t i = 0; i < used; ++i) {
      const auto fd = static_cast<std::uint32_t>(items[i].fd);
      if (in(set, fd) && (items[i].found & set.meaning) != 0) {
        out[fd / 64] |= 1ull << (fd % 64);
        ++total;
      }
    }
    if (set.address != 0 && !CopyOut(set.address, out, words * 8)) {
      return -kEFAULT;
    }
  }
  return total;
}

}  // namespace

namespace calls {

Reply Poll(Thread& thread, Address fds, U32 count, I32 timeout_ms) {
  TimeLimit limit(thread);
  const std::uint64_t deadline = timeout_ms < 0    ? kForever
                                 : timeout_ms == 0 ? 0
                                                   : limit.After(timeout_ms * 1'000'000ll);
  return limit.Keep(PollDescriptors(thread, fds, count, deadline));
}

Reply PPoll(Thread& thread, Address fds, U32 count, Address timeout, Address mask, U64 size) {
  std::uint64_t deadline = 0;
  if (const std::int64_t error = DeadlineFrom(timeout, &deadline)) {
    return error;
  }
  if (const std::int64_t error = UseTemporaryMask(thread, mask, size)) {
    return error;
  }
  const std::int64_t result = PollDescriptors(thread, fds, count, deadline);
  StoreRest(timeout, deadline);
  if (result != -kERESTARTNOHAND) {
    EndTemporaryMask(thread);
  }
  return result;
}

Reply Select(Thread& thread, U32 count, Address read, Address write, Address except,
             Address timeout) {
  std::uint64_t deadline = kForever;
  if (timeout != 0) {
    LinuxTimeval time;
    if (!ReadUser(&time, timeout)) {
      return -kEFAULT;
    }
    if (time.seconds < 0 || time.microseconds < 0) {
      return -kEINVAL;
    }
    const std::int64_t ns = FromTimespec(
        {time.seconds + time.microseconds / 1'000'000, time.microseconds % 1'000'000 * 1000});
    deadline = ns == 0 ? 0 : DeadlineAfter(ns);
  }
  const std::int64_t result = SelectDescriptors(thread, count, read, write, except, deadline);
  if (timeout != 0 && deadline != kForever) {
    const std::uint64_t now = kernel::MonotonicNs();
    const std::uint64_t rest = deadline > now ? deadline - now : 0;
    const LinuxTimeval left{static_cast<I64>(rest / kNsPerSecond),
                            static_cast<I64>(rest % kNsPerSecond / 1000)};
    (void)WriteUser(timeout, left);
  }
  return result;
}

Reply PSelect6(Thread& thread, U32 count, Address read, Address write, Address except,
               Address timeout, Address mask_argument) {
  std::uint64_t deadline = 0;
  if (const std::int64_t error = DeadlineFrom(timeout, &deadline)) {
    return error;
  }
  std::uint64_t mask[2] = {0, 8};  // address, size
  if (mask_argument != 0 && !ReadUser(&mask, mask_argument)) {
    return -kEFAULT;
  }
  if (const std::int64_t error = UseTemporaryMask(thread, mask[0], mask[1])) {
    return error;
  }
  const std::int64_t result = SelectDescriptors(thread, count, read, write, except, deadline);
  StoreRest(timeout, deadline);
  if (result != -kERESTARTNOHAND) {
    EndTemporaryMask(thread);
  }
  return result;
}

}  // namespace calls
}  // namespace k42::personality
