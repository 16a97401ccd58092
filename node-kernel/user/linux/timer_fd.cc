// timerfd: a timer read as a count of expirations.
#include "user/linux/abi_time.h"
#include "user/linux/call_support.h"
#include "user/linux/clocks.h"
#include "user/linux/dispatcher.h"
#include "user/linux/epoll.h"

namespace k42::personality {
namespace {

class TimerFile final : public LocalDescription, public Timer {
 public:
  static TimerFile* Create(std::uint32_t clock, std::uint32_t linux_flags) {
    void* memory = Allocate(sizeof(TimerFile));
    return memory ? new (memory) TimerFile(clock, linux_flags) : nullptr;
  }

  std::int64_t Read(std::uint64_t address, std::uint64_t size) override {
    if (size < sizeof(count_)) {
      return -kEINVAL;
    }
    while (count_ == 0) {
      if (nonblocking()) {
        return -kEAGAIN;
      }
      if (const std::int64_t waited = WaitReady(this, abi::kReadable); waited < 0) {
        return waited;
      }
    }
    const std::uint64_t count = count_;
    count_ = 0;
    return WriteUser(address, count) ? static_cast<std::int64_t>(sizeof(count)) : -kEFAULT;
  }
  std::uint64_t Poll() override { return Word(count_ != 0 ? abi::kReadable : 0); }
  // The timer itself is not inherited by the copy of the process.
  void Forked() override {
    LocalDescription::Forked();
    *static_cast<Timer*>(this) = Timer{{}, nullptr, 0, Expired};
  }

  void Set(const LinuxITimerSpec& setting, bool absolute) {
    count_ = 0;
    interval_ns_ = static_cast<std::uint64_t>(FromTimespec(setting.interval));
    const std::int64_t first = FromTimespec(setting.value);
    if (first == 0) {
      Here().timers().Disarm(this);
    } else {
      Here().timers().Arm(this, absolute ? MonotonicFor(clock_, first) : DeadlineAfter(first));
    }
  }

  LinuxITimerSpec Setting() const {
    LinuxITimerSpec setting{};
    setting.interval = ToTimespec(static_cast<std::int64_t>(interval_ns_));
    if (Here().timers().Armed(this)) {
      const std::uint64_t now = kernel::MonotonicNs();
      setting.value =
          ToTimespec(deadline_ns > now ? static_cast<std::int64_t>(deadline_ns - now) : 1);
    }
    return setting;
  }

 private:
  TimerFile(std::uint32_t clock, std::uint32_t linux_flags)
      : LocalDescription(Kind::kTimer, linux_flags), clock_(clock) {
    expired = Expired;
  }
  void Destroy() override {
    Epoll::DescriptionGone(this);
    Here().timers().Disarm(this);
    this->~TimerFile();
    Free(this, sizeof(TimerFile));
  }
  static void Expired(Timer* timer) {
    auto* self = static_cast<TimerFile*>(timer);
    self->count_ += 1;
    if (self->interval_ns_ != 0) {
      const std::uint64_t late = kernel::MonotonicNs() - self->deadline_ns;
      const std::uint64_t more = late / self->interval_ns_;
      self->count_ += more;
      Here().timers().Arm(self, self->deadline_ns + (more + 1) * self->interval_ns_);
    }
    self->Notify();
  }

  std::uint32_t clock_;
  std::uint64_t count_ = 0;
  std::uint64_t interval_ns_ = 0;
};

}  // namespace

namespace calls {
namespace {
TimerFile* AsTimer(const DescriptionRef& description) {
  return description && description->kind() == Description::Kind::kTimer
             ? static_cast<TimerFile*>(description.get())
             : nullptr;
}
}  // namespace

Reply TimerFdCreate(Thread& thread, U32 clock, U32 flags) {
  if ((flags & ~(kO_CLOEXEC | kO_NONBLOCK)) != 0 || MonotonicFor(clock, 1) == 0) {
    return -kEINVAL;
  }
  TimerFile* timer = TimerFile::Create(clock, kO_RDWR | (flags & kO_NONBLOCK));
  return timer ? thread.task->files->Add(timer, (flags & kO_CLOEXEC) != 0) : -kENOMEM;
}

Reply TimerFdSetTime(Thread& thread, U32 fd, U32 flags, Address value, Address old) {
  LinuxITimerSpec next;
  if (!ReadUser(&next, value)) {
    return -kEFAULT;
  }
  if ((flags & ~3u) != 0 || FromTimespec(next.value) < 0 || FromTimespec(next.interval) < 0) {
    return -kEINVAL;
  }
  DescriptionRef description = Descriptor(thread, fd);
  TimerFile* timer = AsTimer(description);
  if (!timer) {
    return description ? -kEINVAL : -kEBADF;
  }
  const LinuxITimerSpec previous = timer->Setting();
  timer->Set(next, (flags & kTimerAbsolute) != 0);
  return old == 0 || WriteUser(old, previous) ? 0 : -kEFAULT;
}

Reply TimerFdGetTime(Thread& thread, U32 fd, Address value) {
  DescriptionRef description = Descriptor(thread, fd);
  TimerFile* timer = AsTimer(description);
  if (!timer) {
    return description ? -kEINVAL : -kEBADF;
  }
  return WriteUser(value, timer->Setting()) ? 0 : -kEFAULT;
}

}  // namespace calls
}  // namespace k42::personality
