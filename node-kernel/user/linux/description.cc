#include "user/linux/description.h"

#include "user/linux/dispatchers.h"
#include "user/linux/errno.h"
#include "user/linux/heap.h"
#include "user/linux/task.h"
#include "user/linux/thread_watch.h"

namespace k42::personality {
namespace {

List<Description, &Description::link> all_descriptions;

}  // namespace

void ThreadWatch::Ready() {
  fired = true;
  Here().Wakeup(thread, Wake::kEvent);
}

std::int64_t AwaitWatch(Description* description, ThreadWatch* watch, std::uint64_t deadline_ns) {
  while (!watch->fired) {
    const Wake wake = Here().Block(deadline_ns, true);
    if (watch->fired || wake == Wake::kEvent) {
      continue;
    }
    description->StopWatch(watch);
    if (!watch->fired) {
      if (wake == Wake::kTimeout) {
        return -kEAGAIN;
      }
      // To begin again would be to wait for all of the time again.
      return deadline_ns != 0 ? -kEINTR : -kERESTARTSYS;
    }
  }
  return 0;
}

void Watch::TicketFired(std::uint32_t fired) {
  Dispatchers::OfTicket(fired).tickets().Release(fired);
  Forget();
  Ready();
}

void Watch::Forget() {
  ticket = kNoTicket;
  waiting = false;
}

Description::Description(Kind kind, std::uint32_t linux_flags)
    : kind_(kind), linux_flags_(linux_flags) {
  all_descriptions.PushBack(this);
}
Description::~Description() {
  all_descriptions.Remove(this);
}

void Description::AllForked() {
  for (Description* each = all_descriptions.first(); each; each = all_descriptions.Next(each)) {
    each->Forked();
  }
}

void Description::KeepOnly(const FdTable& files, const FsContext& fs) {
  for (Description* each = all_descriptions.first(); each; each = all_descriptions.Next(each)) {
    each->references_ = 0;
  }
  for (std::uint32_t fd = 0; fd < files.size(); ++fd) {
    if (Description* kept = files.Peek(fd)) {
      ++kept->references_;
    }
  }
  if (fs.directory) {
    ++fs.directory->references_;
  }
  for (Description* each = all_descriptions.first(); each;) {
    Description* next = all_descriptions.Next(each);
    if (each->references_ == 0) {
      each->Destroy();
    }
    each = next;
  }
}

bool Description::nonblocking() {
  return (linux_flags_ & kO_NONBLOCK) != 0;
}

void Description::Release(Description* description) {
  if (--description->references_ == 0) {
    description->Destroy();
  }
}

std::int64_t LocalDescription::Read(std::uint64_t, std::uint64_t) {
  return -kEINVAL;
}
std::int64_t LocalDescription::Write(std::uint64_t, std::uint64_t) {
  return -kEINVAL;
}

Status LocalDescription::StartWatch(Watch* watch, std::uint32_t mask, std::uint64_t since) {
  watch->mask = mask;
  watch->waiting = true;
  watches_.PushBack(watch);
  const auto now = abi::PollWord::Unpack(Poll());
  const bool edge = (since & abi::kArmEdge) != 0;
  if ((now.ready & (mask | abi::kReadyAlways)) != 0 &&
      (!edge || now.read_edges != abi::PollWord::Unpack(since).read_edges)) {
    watches_.Remove(watch);
    watch->waiting = false;
    watch->Ready();
  }
  return Status::kOk;
}

void LocalDescription::StopWatch(Watch* watch) {
  if (watch->waiting) {
    watches_.Discard(watch);
    watch->waiting = false;
  }
}

// The watches are on stacks of threads that are no more, or of sets that begin anew.
void LocalDescription::Forked() {
  while (Watch* watch = watches_.PopFront()) {
    watch->Forget();
  }
}

void LocalDescription::Notify() {
  ++edges_;
  const std::uint32_t ready = abi::PollWord::Unpack(Poll()).ready;
  for (Watch* watch = watches_.first(); watch;) {
    Watch* next = watches_.Next(watch);
    if (ready & (watch->mask | abi::kReadyAlways)) {
      watches_.Remove(watch);
      watch->waiting = false;
      watch->Ready();
    }
    watch = next;
  }
}

std::int64_t WaitReady(Description* description, std::uint32_t mask, std::uint64_t deadline_ns,
                       std::uint64_t since) {
  ThreadWatch watch(&Self());
  const Status status = description->StartWatch(&watch, mask, since);
  return status == Status::kOk ? AwaitWatch(description, &watch, deadline_ns) : ErrnoOf(status);
}

}  // namespace k42::personality
