// ReadyList: the readiness of one end of a stream, and the tickets that wait for it (io.Waitable).
//
// The stream's own lock orders its changes; it calls Update while that lock is held, which only
// moves the tickets concerned into a Wakeups, and they fire when that goes out of scope:
//
//   Wakeups wakeups;                       // declared before the guard: fires after the unlock
//   machine::MutexGuard guard(lock_);
//   ... change ...
//   ready_.Update(abi::kReadable, abi::kReadable, abi::kReadable, wakeups);
//
// As many tickets wait as programs like. They are looked at some at a time, with lock_ dropped in
// between: a Cursor stands in the list where the next look begins. What is armed behind a change
// has seen it, and a look ends before that.
//
// kHangup is not set by anybody: it follows from kInputEnded and kOutputEnded, two bits that the
// two directions of a stream set independently and that are not reported.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "abi/readiness.h"
#include "base/intrusive_list.h"
#include "cobj/call_context.h"
#include "machine/spin_lock.h"

namespace k42::io {

inline constexpr std::uint32_t kInputEnded = 1u << 16;
inline constexpr std::uint32_t kOutputEnded = 1u << 17;
inline constexpr std::uint32_t kReportedBits = 0xffff;

struct ArmedTicket : ListLink<> {
  cobj::Ticket ticket;
  std::uint32_t mask = 0;
  bool edge = false;
  bool is_cursor = false;   // of somebody who looks at the list: nothing waits
  std::uint64_t order = 0;  // of arming
  std::uint64_t word = 0;   // what it fires with
};

// Tickets on their way out; fired by the destructor, with no lock held.
class Wakeups {
 public:
  Wakeups() = default;
  ~Wakeups();
  Wakeups(const Wakeups&) = delete;
  Wakeups& operator=(const Wakeups&) = delete;
  void Add(ArmedTicket* ticket) { fired_.PushBack(ticket); }
  IntrusiveList<ArmedTicket>& fired() { return fired_; }

 private:
  IntrusiveList<ArmedTicket> fired_;
};

class ReadyList {
 public:
  static constexpr std::uint32_t kMaxArmed = 65536;

  explicit ReadyList(std::uint32_t ready = 0) : ready_(ready) {}
  ~ReadyList();
  ReadyList(const ReadyList&) = delete;
  ReadyList& operator=(const ReadyList&) = delete;

  std::uint64_t Word();
  // The bits of `mask` become those of `value`. `activity`: bits that have an edge though they may
  // have been set before; bits that become set have one anyway. Precondition: nobody else changes
  // the bits of `mask` meanwhile (the stream's lock).
  void Update(std::uint32_t mask, std::uint32_t value, std::uint32_t activity, Wakeups& wakeups) {
    // Most changes of a stream leave one of its ends as it was.
    if (activity != 0 || ((ready_.load(std::memory_order_relaxed) ^ value) & mask) != 0) {
      Change(mask, value, activity, wakeups);
    }
  }

  // Takes the place of what the same sink armed with the same number: that fires in vain by now.
  Status Arm(std::uint32_t mask, std::uint64_t since, cobj::Ticket ticket);
  // Forgets what `caller` armed with the ticket of this abi::TicketNumber.
  void Disarm(const cobj::CallContext& caller, std::uint32_t number);

 private:
  void Change(std::uint32_t mask, std::uint32_t value, std::uint32_t activity, Wakeups& wakeups);
  abi::PollWord WordLocked() const K42_REQUIRES(lock_);
  struct Cursor : ArmedTicket {
    Cursor() { is_cursor = true; }
    bool started = false;
    std::uint64_t end = 0;  // those armed from there on are not looked at
  };
  // Those that `take` says go to `taken`. False: that was all. Few, as nearly always, are looked at
  // in one go; else some at a time, from the cursor on.
  template <typename Take>
  bool TakeLocked(std::optional<Cursor>& cursor, Take take, IntrusiveList<ArmedTicket>& taken)
      K42_REQUIRES(lock_);
  template <typename Take>
  ArmedTicket* TakeOneLocked(ArmedTicket* at, Take& take, IntrusiveList<ArmedTicket>& taken)
      K42_REQUIRES(lock_);
  template <typename Take>
  bool TakeSomeLocked(Cursor& cursor, Take take, IntrusiveList<ArmedTicket>& taken)
      K42_REQUIRES(lock_);

  machine::SpinLock<LockRank::kWaitQueue> lock_;
  std::atomic<std::uint32_t> ready_;  // written under lock_
  std::uint16_t read_edges_ K42_GUARDED_BY(lock_) = 0;
  std::uint16_t write_edges_ K42_GUARDED_BY(lock_) = 0;
  std::uint32_t armed_count_ K42_GUARDED_BY(lock_) = 0;
  std::uint64_t armed_ever_ K42_GUARDED_BY(lock_) = 0;
  IntrusiveList<ArmedTicket> armed_ K42_GUARDED_BY(lock_);
};

}  // namespace k42::io
