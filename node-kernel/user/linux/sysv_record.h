// Records: what processes share of a set of semaphores or a queue of messages, the bytes of its
// file (sysv_names.h).
//
// An operation opens the file, locks all of it, reads, writes once and closes: a process that dies
// under way leaves no lock and no half of a change. (What the file has to grow by is written before
// that, where nobody looks yet; so for lack of memory all is refused, or nothing.) Who must wait
// enters its thread number in the record (Waiters) and sleeps on a datagram socket of that name,
// until whoever changes the record sends it a word: before the change is written, so that no death
// can come between the two, and with the record still locked, so that the woken see it. Words may
// be lost (no memory, a process that does not keep to this), so everybody looks again now and then.
#pragma once

#include "user/linux/call_support.h"
#include "user/linux/sysv_names.h"
#include "user/linux/sysv_waiters.h"

namespace k42::personality::calls::sysv {

// What a call has open while it lasts. A fork that another thread makes meanwhile copies it: the
// child closes it at once (CloseWhatCallsHold).
class Held {
 public:
  Held() = default;
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() { Forget(); }
  void Hold(kernel::Handle handle);
  void Forget();
  kernel::Handle handle() const { return handle_; }

  ListLink<Held> link;

 private:
  kernel::Handle handle_ = kernel::kNoHandle;
};

enum class Access : std::uint8_t { kRead, kChange };

// An open record, locked while the object lives: against changes, or (kChange) for itself.
class Record {
 public:
  Record() = default;
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;
  ~Record() { Close(); }

  // 0, -EINVAL (no such id), -EIDRM (removed just now), -EACCES, -ERESTARTNOINTR.
  std::int64_t Open(Kind kind, I32 id, Access access);
  void Close();
  bool Read(U64 offset, void* bytes, std::size_t size);
  // All of it from its start. False: no memory, or too large for this process; it is as it was.
  bool Write(const void* bytes, std::size_t size);
  bool may_change() const { return access_ == Access::kChange; }
  fs::FileAttributes attributes();

 private:
  bool Put(U64 offset, const char* bytes, std::size_t size);
  Held file_;
  U64 size_ = 0;
  Access access_ = Access::kRead;
};

// A thread's place to sleep.
class Sleeper {
 public:
  explicit Sleeper(Thread& thread) : thread_(thread) {}
  // From now on others can wake it, unless it says no. Before it enters itself in a record.
  bool TakeName();
  // 0: woken, or it is time to look again; -EAGAIN: the deadline (0: none) has passed;
  // -ERESTARTNOHAND. `told`: a word will come.
  std::int64_t Sleep(bool told, U64 deadline_ns);

 private:
  std::int64_t SleepUntil(U64 deadline_ns);
  Thread& thread_;
  DescriptionRef socket_;
  Held held_;
};
// Wakes those who are on the list, and empties it.
void WakeAll(Waiters& waiters);

// An object in memory, with the record it came from, locked. T: kKind, HeadSize() (of what says
// how much follows), HeadIsValid() (then size() is the object's or less), IsValid(), size(),
// waiters.
template <typename T>
class Opened {
 public:
  Opened() : memory_(sizeof(T)) {}
  T& operator*() { return *memory_.template As<T>(); }
  T* operator->() { return memory_.template As<T>(); }
  fs::FileAttributes attributes() { return record_.attributes(); }

  // As Record::Open; -EINVAL also if what is there is no T.
  std::int64_t Open(I32 id, Access access) {
    if (!memory_) {
      return -kENOMEM;
    }
    if (const std::int64_t error = id < 0 ? -kEINVAL : record_.Open(T::kKind, id, access)) {
      return error;
    }
    T& object = **this;
    const bool good = record_.Read(0, &object, T::HeadSize()) && object.HeadIsValid() &&
                      record_.Read(T::HeadSize(), memory_.data() + T::HeadSize(),
                                   object.size() - T::HeadSize()) &&
                      object.IsValid();
    return good ? 0 : -kEINVAL;
  }
  // Writes all of it back; when it has changed, those who wait look again. False: no memory for it.
  bool Close(bool changed) {
    bool good = true;
    if (record_.may_change()) {
      if (changed) {
        WakeAll((*this)->waiters);
      }
      good = record_.Write(memory_.data(), (*this)->size());
    }
    record_.Close();
    return good;
  }
  // Removes the object. Its waiters are told, if it could be opened.
  static std::int64_t RemoveAndTell(I32 id) {
    Opened object;
    const bool open = object.Open(id, Access::kChange) == 0;
    const std::int64_t removed = id < 0 ? -kEINVAL : Remove(T::kKind, id);
    if (open) {
      (void)object.Close(removed == 0);
    }
    return removed;
  }
  // Closes and sleeps until there may be something new. `changed`: it is other than it was.
  // 0: look again; else as Sleeper::Sleep.
  std::int64_t Wait(I32 id, const Waiter& waiter, bool changed, bool told, Sleeper& sleeper,
                    U64 deadline_ns) {
    bool listed = false;
    if (record_.may_change()) {
      if (changed) {
        WakeAll((*this)->waiters);
      }
      listed = sleeper.TakeName() && (*this)->waiters.Enter(waiter);
    }
    listed = Close(false) && listed;
    const std::int64_t slept = sleeper.Sleep(told && listed, deadline_ns);
    if (slept != 0 && listed) {
      Opened again;
      if (again.Open(id, Access::kChange) == 0) {
        again->waiters.Leave(waiter.thread);
        (void)again.Close(false);
      }
    }
    return slept;
  }

 private:
  Buffer memory_;
  Record record_;
};

// What an object is made as.
template <typename T>
class WantedRecord : public Wanted {
 public:
  Status Fill(kernel::Handle file) const final {
    const Result<std::uint64_t> put =
        kernel::WriteAt(file, 0, reinterpret_cast<std::uint64_t>(&first_), first_.size());
    return put.ok() && put.value() != first_.size() ? Status::kNoMemory : put.status();
  }

 protected:
  explicit WantedRecord(T& first) : first_(first) {}
  ~WantedRecord() = default;

 private:
  const T& first_;
};

inline constexpr std::int64_t kAgain = INT64_MIN;
// Calls attempt(sleeper) until it says something else than kAgain, before which it sleeps. Who has
// slept knows that the object was there.
template <typename Attempt>
std::int64_t UntilDone(Thread& thread, Attempt attempt) {
  Sleeper sleeper(thread);
  std::int64_t answer = attempt(sleeper);
  if (answer != kAgain) {
    return answer;
  }
  while (answer == kAgain) {
    answer = attempt(sleeper);
  }
  return answer == -kEINVAL ? -kEIDRM : answer == -kERESTARTNOINTR ? -kERESTARTNOHAND : answer;
}

}  // namespace k42::personality::calls::sysv

namespace k42::personality {

// In a forked child, before the other threads' memory goes.
void CloseWhatCallsHold();

}  // namespace k42::personality
