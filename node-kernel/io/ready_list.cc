#include "io/ready_list.h"

#include "abi/dispatcher_page.h"
#include "mem/heap.h"

namespace k42::io {
namespace {

// As many as threads and epolls wait for one end of a stream: hardly ever more.
constexpr machine::HoldReason kWaiting{2000, "up to 100 tickets that wait for this end"};

void DeleteAll(IntrusiveList<ArmedTicket>& list) {
  while (ArmedTicket* armed = list.PopFront()) {
    mem::Delete(armed);
  }
}

std::uint32_t Reported(std::uint32_t bits) {
  constexpr std::uint32_t kBoth = kInputEnded | kOutputEnded;
  return (bits & kReportedBits) | ((bits & kBoth) == kBoth ? abi::kHangup : 0);
}

// Given back when it goes out of scope, after the lock.
struct Discarded : IntrusiveList<ArmedTicket> {
  ~Discarded() { DeleteAll(*this); }
};

}  // namespace

Wakeups::~Wakeups() {
  while (ArmedTicket* armed = fired_.PopFront()) {
    (void)armed->ticket.Fire(Status::kOk, armed->word);  // nobody waiting any more is fine
    mem::Delete(armed);
  }
}

ReadyList::~ReadyList() {
  DeleteAll(armed_);
}

abi::PollWord ReadyList::WordLocked() const {
  return {Reported(ready_.load(std::memory_order_relaxed)), read_edges_, write_edges_};
}

std::uint64_t ReadyList::Word() {
  machine::SpinGuard guard(lock_);
  return WordLocked().Pack();
}

void ReadyList::Change(std::uint32_t mask, std::uint32_t value, std::uint32_t activity,
                       Wakeups& wakeups) {
  machine::SpinGuard guard(lock_, kWaiting);
  const std::uint32_t before = ready_.load(std::memory_order_relaxed);
  const std::uint32_t after = (before & ~mask) | (value & mask);
  ready_.store(after, std::memory_order_relaxed);
  const std::uint32_t now = Reported(after);
  activity = (activity | ~Reported(before)) & now;
  if (activity == 0) {
    return;
  }
  read_edges_ += (activity & abi::kReadSide) != 0;
  write_edges_ += (activity & abi::kWriteSide) != 0;
  const std::uint64_t word = WordLocked().Pack();
  ArmedTicket* next = nullptr;
  for (ArmedTicket* armed = armed_.Front(); armed != nullptr; armed = next) {
    next = armed_.Next(armed);
    if (((armed->edge ? activity : now) & (armed->mask | abi::kReadyAlways)) != 0) {
      IntrusiveList<ArmedTicket>::Remove(armed);
      --armed_count_;
      armed->word = word;
      wakeups.Add(armed);
    }
  }
}

Status ReadyList::Arm(std::uint32_t mask, std::uint64_t since, cobj::Ticket ticket) {
  ArmedTicket* armed = TRY(mem::New<ArmedTicket>());
  armed->ticket = ticket;
  armed->mask = mask;
  armed->edge = since != abi::kArmLevel;
  const abi::PollWord seen = abi::PollWord::Unpack(since);
  Discarded discarded;
  Wakeups wakeups;
  machine::SpinGuard guard(lock_, kWaiting);
  ForgetLocked(ticket.sink, ticket.number, discarded);
  const abi::PollWord word = WordLocked();
  bool fires = (word.ready & (mask | abi::kReadyAlways)) != 0;
  if (armed->edge) {
    const bool read_moved = (mask & abi::kReadSide) != 0 && word.read_edges != seen.read_edges;
    const bool write_moved = (mask & abi::kWriteSide) != 0 && word.write_edges != seen.write_edges;
    fires = fires && (read_moved || write_moved);
  }
  if (!fires && armed_count_ == kMaxArmed) {
    discarded.PushBack(armed);
    return Status::kLimitExceeded;
  }
  if (fires) {
    armed->word = word.Pack();
    wakeups.Add(armed);
  } else {
    armed_.PushBack(armed);
    ++armed_count_;
  }
  return Status::kOk;
}

void ReadyList::ForgetLocked(cobj::Ref<cobj::ITicketSink> sink, std::uint32_t number,
                             IntrusiveList<ArmedTicket>& found) {
  ArmedTicket* next = nullptr;
  for (ArmedTicket* armed = armed_.Front(); armed != nullptr; armed = next) {
    next = armed_.Next(armed);
    if (armed->ticket.sink == sink &&
        armed->ticket.number % abi::kTicketCount == number % abi::kTicketCount) {
      IntrusiveList<ArmedTicket>::Remove(armed);
      --armed_count_;
      found.PushBack(armed);
    }
  }
}

void ReadyList::Disarm(const cobj::CallContext& caller, std::uint32_t number) {
  Discarded discarded;
  machine::SpinGuard guard(lock_, kWaiting);
  ForgetLocked(caller.SinkOf(number), number, discarded);
}

}  // namespace k42::io
