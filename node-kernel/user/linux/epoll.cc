#include "user/linux/epoll.h"

#include "user/linux/call_support.h"
#include "user/linux/dispatcher.h"
#include "user/linux/poll_bits.h"
#include "user/linux/signals.h"

namespace k42::personality {
namespace {

List<Epoll, &Epoll::epoll_link> all_epolls;
constexpr std::uint32_t kMaxEvents = 4096;
// For what could not be armed.
constexpr std::uint64_t kLookAgainNs = 10'000'000;

}  // namespace

void EpollItem::Ready() {
  epoll->Queue(this);
}

Epoll* Epoll::Create(std::uint32_t linux_flags) {
  void* memory = Allocate(sizeof(Epoll));
  if (!memory) {
    return nullptr;
  }
  auto* epoll = new (memory) Epoll(linux_flags);
  all_epolls.PushBack(epoll);
  return epoll;
}

void Epoll::Destroy() {
  while (EpollItem* item = items_.first()) {
    Drop(item);
  }
  all_epolls.Remove(this);
  DescriptionGone(this);
  this->~Epoll();
  Free(this, sizeof(Epoll));
}

EpollItem* Epoll::Find(const Description* description, std::uint32_t fd) const {
  for (EpollItem* item = items_.first(); item; item = items_.Next(item)) {
    if (item->fd == fd && item->description == description) {
      return item;
    }
  }
  return nullptr;
}

void Epoll::Queue(EpollItem* item) {
  if (!item->queued) {
    item->queued = true;
    ready_.PushBack(item);
  }
  Notify();
}

Status Epoll::Arm(EpollItem* item) {
  return item->description->StartWatch(item, ReadyMask(item->events), item->since);
}

void Epoll::ArmOrQueue(EpollItem* item) {
  item->queued = false;
  if (Arm(item) != Status::kOk) {
    item->queued = true;
    ready_.PushBack(item);
  }
}

void Epoll::Drop(EpollItem* item) {
  item->description->StopWatch(item);
  items_.Remove(item);
  ready_.Discard(item);
  Delete(item);
}

std::int64_t Epoll::Add(Description* description, std::uint32_t fd, const LinuxEpollEvent& event) {
  if (Find(description, fd)) {
    return -kEEXIST;
  }
  auto* item = New<EpollItem>();
  if (!item) {
    return -kENOMEM;
  }
  item->epoll = this;
  item->description = description;
  item->fd = fd;
  item->events = event.events;
  item->data = event.data;
  items_.PushBack(item);
  const Status status = Arm(item);
  if (status == Status::kNoMemory || status == Status::kLimitExceeded) {
    Drop(item);
    return status == Status::kNoMemory ? -kENOMEM : -kENOSPC;
  }
  if (status != Status::kOk) {
    ArmOrQueue(item);
  }
  return 0;
}

std::int64_t Epoll::Modify(Description* description, std::uint32_t fd,
                           const LinuxEpollEvent& event) {
  EpollItem* item = Find(description, fd);
  if (!item) {
    return -kENOENT;
  }
  description->StopWatch(item);
  ready_.Discard(item);
  item->disabled = false;
  item->events = event.events;
  item->data = event.data;
  item->since = abi::kArmLevel;
  ArmOrQueue(item);
  return 0;
}

std::int64_t Epoll::Remove(Description* description, std::uint32_t fd) {
  EpollItem* item = Find(description, fd);
  if (!item) {
    return -kENOENT;
  }
  Drop(item);
  return 0;
}

std::uint32_t Epoll::Collect(LinuxEpollEvent* events, std::uint32_t count) {
  std::uint32_t found = 0;
  // Nothing goes back on the ready list before its end: each item is looked at once.
  List<EpollItem, &EpollItem::ready_link> again, watched;
  while (found < count) {
    EpollItem* item = ready_.PopFront();
    if (!item) {
      break;
    }
    const std::uint64_t word = item->description->Poll();
    const std::uint32_t bits =
        PollBits(abi::PollWord::Unpack(word).ready) & (item->events | kPollAlways);
    const bool edge = (item->events & kEpollEdge) != 0;
    if (bits == 0) {
      item->since = edge ? word | abi::kArmEdge : abi::kArmLevel;
      watched.PushBack(item);
      continue;
    }
    events[found++] = {bits, item->data};
    if (item->events & kEpollOneShot) {
      item->disabled = true;
      item->queued = false;
    } else if (edge) {
      item->since = word | abi::kArmEdge;
      watched.PushBack(item);
    } else {
      again.PushBack(item);
    }
  }
  while (EpollItem* item = again.PopFront()) {
    ready_.PushBack(item);
  }
  while (EpollItem* item = watched.PopFront()) {
    ArmOrQueue(item);
  }
  return found;
}

std::uint64_t Epoll::Poll() {
  // A queued item may have been drained since: those that are idle go back to waiting.
  List<EpollItem, &EpollItem::ready_link> idle;
  std::uint32_t ready = 0;
  for (EpollItem* item = ready_.first(); item && !ready;) {
    EpollItem* next = ready_.Next(item);
    const std::uint64_t word = item->description->Poll();
    if (PollBits(abi::PollWord::Unpack(word).ready) & (item->events | kPollAlways)) {
      ready = abi::kReadable;
    } else {
      ready_.Remove(item);
      item->since = item->events & kEpollEdge ? word | abi::kArmEdge : abi::kArmLevel;
      idle.PushBack(item);
    }
    item = next;
  }
  while (EpollItem* item = idle.PopFront()) {
    ArmOrQueue(item);
  }
  return Word(ready);
}

void Epoll::Forked() {
  LocalDescription::Forked();
  for (EpollItem* item = items_.first(); item; item = items_.Next(item)) {
    if (item->active()) {
      item->Forget();
    }
  }
}

void Epoll::WatchAgain() {
  for (Epoll* epoll = all_epolls.first(); epoll; epoll = all_epolls.Next(epoll)) {
    for (EpollItem* item = epoll->items_.first(); item; item = epoll->items_.Next(item)) {
      if (!item->queued && !item->disabled) {
        epoll->ArmOrQueue(item);
      }
    }
  }
}

void Epoll::DescriptionGone(Description* description) {
  for (Epoll* epoll = all_epolls.first(); epoll; epoll = all_epolls.Next(epoll)) {
    for (EpollItem* item = epoll->items_.first(); item;) {
      EpollItem* next = epoll->items_.Next(item);
      if (item->description == description) {
        epoll->Drop(item);
      }
      item = next;
    }
  }
}

namespace calls {
namespace {

Epoll* AsEpoll(const DescriptionRef& description) {
  return description && description->kind() == Description::Kind::kEpoll
             ? static_cast<Epoll*>(description.get())
             : nullptr;
}

// deadline 0: do not wait; ~0: for ever.
std::int64_t WaitForEvents(Thread& thread, U32 fd, Address address, I32 count,
                           std::uint64_t deadline_ns) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description) {
    return -kEBADF;
  }
  Epoll* epoll = AsEpoll(description);
  if (!epoll || count <= 0) {
    return -kEINVAL;
  }
  const auto most = static_cast<U32>(count) < kMaxEvents ? static_cast<U32>(count) : kMaxEvents;
  if (!InProgram(address, most * sizeof(LinuxEpollEvent))) {
    return -kEFAULT;
  }
  LinuxEpollEvent few[16];
  Buffer memory(most > 16 ? most * sizeof(LinuxEpollEvent) : 0);
  if (!memory) {
    return -kENOMEM;
  }
  LinuxEpollEvent* events = most > 16 ? memory.As<LinuxEpollEvent>() : few;
  for (;;) {
    Here().TakeEvents();
    const U32 found = epoll->Collect(events, most);
    if (found != 0) {
      return CopyOut(address, events, found * sizeof(LinuxEpollEvent)) ? static_cast<Reply>(found)
                                                                       : -kEFAULT;
    }
    if (deadline_ns == 0) {
      return 0;
    }
    const std::uint64_t look =
        epoll->must_look_again() ? kernel::MonotonicNs() + kLookAgainNs : ~0ull;
    const std::uint64_t until = look < deadline_ns ? look : deadline_ns;
    const std::int64_t waited = WaitReady(epoll, abi::kReadable, until == ~0ull ? 0 : until);
    if (waited == -kEAGAIN && until != deadline_ns) {
      continue;
    }
    if (waited < 0) {
      return waited == -kEAGAIN        ? 0
             : waited == -kERESTARTSYS ? -kEINTR
                                       : waited;  // never restarted
    }
  }
}

std::int64_t WaitMasked(Thread& thread, U32 fd, Address events, I32 count,
                        std::uint64_t deadline_ns, Address mask, U64 size) {
  if (const std::int64_t error = UseTemporaryMask(thread, mask, size)) {
    return error;
  }
  const std::int64_t result = WaitForEvents(thread, fd, events, count, deadline_ns);
  if (result != -kEINTR) {  // the signal is taken with the mask of the wait
    EndTemporaryMask(thread);
  }
  return result;
}

std::uint64_t MillisecondDeadline(I32 timeout_ms) {
  return timeout_ms < 0 ? ~0ull : timeout_ms == 0 ? 0 : DeadlineAfter(timeout_ms * 1'000'000ll);
}

}  // namespace

Reply EpollCreate(Thread& thread, I32 size) {
  return size <= 0 ? -kEINVAL : EpollCreate1(thread, 0);
}
Reply EpollCreate1(Thread& thread, U32 flags) {
  if ((flags & ~kO_CLOEXEC) != 0) {
    return -kEINVAL;
  }
  Epoll* epoll = Epoll::Create(kO_RDWR);
  return epoll ? thread.task->files->Add(epoll, (flags & kO_CLOEXEC) != 0) : -kENOMEM;
}

Reply EpollCtl(Thread& thread, U32 epoll_fd, U32 operation, U32 fd, Address address) {
  constexpr U32 kAdd = 1, kDelete = 2, kModify = 3;
  LinuxEpollEvent event{};
  if (operation != kDelete && !ReadUser(&event, address)) {
    return -kEFAULT;
  }
  DescriptionRef holder = Descriptor(thread, epoll_fd);
  DescriptionRef target = Descriptor(thread, fd);
  if (!holder || !target) {
    return -kEBADF;
  }
  Epoll* epoll = AsEpoll(holder);
  if (!epoll || target.get() == holder.get()) {
    return -kEINVAL;
  }
  if (KernelFile* file = target.file(); file && operation == kAdd) {
    // Files and directories are always ready: Linux refuses them.
    const Result<fs::FileKind> kind = kernel::Kind(file->handle());
    if (kind.ok() &&
        (kind.value() == fs::FileKind::kRegular || kind.value() == fs::FileKind::kDirectory)) {
      return -kEPERM;
    }
  }
  switch (operation) {
    case kAdd:
      return epoll->Add(target.get(), fd, event);
    case kModify:
      return epoll->Modify(target.get(), fd, event);
    case kDelete:
      return epoll->Remove(target.get(), fd);
    default:
      return -kEINVAL;
  }
}

Reply EpollWait(Thread& thread, U32 epoll, Address events, I32 count, I32 timeout_ms) {
  return WaitForEvents(thread, epoll, events, count, MillisecondDeadline(timeout_ms));
}
Reply EpollPWait(Thread& thread, U32 epoll, Address events, I32 count, I32 timeout_ms, Address mask,
                 U64 size) {
  return WaitMasked(thread, epoll, events, count, MillisecondDeadline(timeout_ms), mask, size);
}
Reply EpollPWait2(Thread& thread, U32 epoll, Address events, I32 count, Address timeout,
                  Address mask, U64 size) {
  std::uint64_t deadline = ~0ull;
  if (timeout != 0) {
    std::int64_t ns = 0;
    if (const std::int64_t error = ReadTimespec(timeout, &ns)) {
      return error;
    }
    deadline = ns == 0 ? 0 : DeadlineAfter(ns);
  }
  return WaitMasked(thread, epoll, events, count, deadline, mask, size);
}

}  // namespace calls
}  // namespace k42::personality
