#include "user/linux/monitor.h"

#include <new>

#include "user/linux/dispatcher.h"
#include "user/linux/kernel.h"

namespace k42::personality {
namespace {

// About two microseconds: longer than most visits, shorter than a way into the kernel and back.
constexpr int kSpins = 40;

}  // namespace

constinit Monitor monitor;

void Monitor::Share() {
  if (!shared_) {
    (void)word_.TryEnter();
    shared_ = true;
  }
}

void Monitor::Unshare() {
  shared_ = false;
  new (&word_) MonitorWord;
}

void Monitor::EnterShared() {
  for (int i = 0; i < kSpins; ++i) {
    if (word_.TryEnter()) {
      return;
    }
    asm volatile("pause");
  }
  Dispatcher& here = Here();
  for (;;) {
    here.PutEventsBy();
    if (word_.EnterOrAnnounce(here.index())) {
      return;
    }
    kernel::WaitForEvent(0);
  }
}

void Monitor::LeaveShared() {
  const int waiter = word_.Leave(Here().index());
  if (waiter != MonitorWord::kNobody) {
    kernel::Notify(static_cast<std::uint32_t>(waiter));
  }
}

}  // namespace k42::personality
