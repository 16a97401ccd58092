#include "io/ready_list.h"

#include "abi/dispatcher_page.h"
#include "mem/heap.h"

namespace k42::io {
namespace {

constexpr std::uint32_t kSome = 8;
constexpr machine::HoldReason kLook{600, "8 tickets that wait for this end are looked at"};

void DeleteAll(IntrusiveList<ArmedTicket>& list) {
  while (ArmedTicket* armed = list.PopFront()) {
    mem::Delete(armed);
  }
}

std::uint32_t Reported(std::uint32_t bits) {
  constexpr std::uint32_t kBoth = kInputEnded | kOutputEnded;
  return (bits & kReportedBits) | ((bits & kBoth) == kBoth ? abi::kHangup : 0);
}

// What the same sink armed with the same number.
struct IsSame {
  cobj::Ref<cobj::ITicketSink> sink;
  std::uint32_t number;
  bool operator()(const ArmedTicket& armed) const {
    return armed.ticket.sink == sink &&
           armed.ticket.number % abi::kTicketCount == number % abi::kTicketCount;
  }
};

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

template <typename Take>
[[gnu::always_inline]] inline ArmedTicket* ReadyList::TakeOneLocked(
    ArmedTicket* at, Take& take, IntrusiveList<ArmedTicket>& taken) {
  ArmedTicket* const next = armed_.Next(at);
  if (!at->is_cursor && take(*at)) {
    at->Unlink();
    --armed_count_;
    taken.PushBack(at);
  }
  return next;
}

template <typename Take>
[[gnu::always_inline]] inline bool ReadyList::TakeLocked(std::optional<Cursor>& cursor, Take take,
                                                         IntrusiveList<ArmedTicket>& taken) {
  if (cursor || armed_count_ > kSome) [[unlikely]] {
    if (!cursor)
      cursor.emplace();
    return TakeSomeLocked(*cursor, take, taken);
  }
  for (ArmedTicket* at = armed_.Front(); at != nullptr;) at = TakeOneLocked(at, take, taken);
  return false;
}

template <typename Take>
[[gnu::noinline]] bool ReadyList::TakeSomeLocked(Cursor& cursor, Take take,
                                                 IntrusiveList<ArmedTicket>& taken) {
  ArmedTicket* at = armed_.Front();
  if (cursor.started) {
    at = armed_.Next(&cursor);
    cursor.Unlink();
  } else {
    cursor.started = true;
    cursor.end = armed_ever_;
  }
  for (std::uint32_t left = kSome; at != nullptr && (at->is_cursor || at->order < cursor.end);
       --left) {
    if (left == 0) {
      armed_.InsertBefore(at, &cursor);
      return true;
    }
    at = TakeOneLocked(at, take, taken);
  }
  return false;
}

void ReadyList::Change(std::uint32_t mask, std::uint32_t value, std::uint32_t activity,
                       Wakeups& wakeups) {
  IntrusiveList<ArmedTicket>& fired = wakeups.fired();
  std::optional<Cursor> cursor;
  std::uint32_t now = 0;
  std::uint64_t word = 0;
  const auto fires = [&](ArmedTicket& armed) {
    armed.word = word;
    return ((armed.edge ? activity : now) & (armed.mask | abi::kReadyAlways)) != 0;
  };
  bool more = false;
  {
    machine::SpinGuard guard(lock_, kLook);
    const std::uint32_t before = ready_.load(std::memory_order_relaxed);
    const std::uint32_t after = (before & ~mask) | (value & mask);
    ready_.store(after, std::memory_order_relaxed);
    now = Reported(after);
    activity = (activity | ~Reported(before)) & now;
    if (activity == 0) {
      return;
    }
    read_edges_ += (activity & abi::kReadSide) != 0;
    write_edges_ += (activity & abi::kWriteSide) != 0;
    if (armed_count_ == 0) {
      return;
    }
    word = WordLocked().Pack();
    more = TakeLocked(cursor, fires, fired);
  }
  while (more) {
    machine::SpinGuard guard(lock_, kLook);
    more = TakeLocked(cursor, fires, fired);
  }
}

Status ReadyList::Arm(std::uint32_t mask, std::uint64_t since, cobj::Ticket ticket) {
  ArmedTicket* armed = TRY(mem::New<ArmedTicket>());
  armed->ticket = ticket;
  armed->mask = mask;
  armed->edge = since != abi::kArmLevel;
  const abi::PollWord seen = abi::PollWord::Unpack(since);
  const IsSame same{ticket.sink, ticket.number};
  Discarded discarded;
  Wakeups wakeups;
  std::optional<Cursor> cursor;
  for (;;) {
    machine::SpinGuard guard(lock_, kLook);
    if (TakeLocked(cursor, same, discarded)) {
      continue;
    }
    const abi::PollWord word = WordLocked();
    bool fires = (word.ready & (mask | abi::kReadyAlways)) != 0;
    if (armed->edge) {
      const bool read_moved = (mask & abi::kReadSide) != 0 && word.read_edges != seen.read_edges;
      const bool write_moved =
          (mask & abi::kWriteSide) != 0 && word.write_edges != seen.write_edges;
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
      armed->order = armed_ever_++;
      armed_.PushBack(armed);
      ++armed_count_;
    }
    return Status::kOk;
  }
}

void ReadyList::Disarm(const cobj::CallContext& caller, std::uint32_t number) {
  const IsSame same{caller.SinkOf(number), number};
  Discarded discarded;
  std::optional<Cursor> cursor;
  bool more = true;
  while (more) {
    machine::SpinGuard guard(lock_, kLook);
    more = TakeLocked(cursor, same, discarded);
  }
}

}  // namespace k42::io
