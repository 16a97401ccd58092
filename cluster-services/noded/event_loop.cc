#include "cluster-services/noded/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "interconnect/clock.h"

namespace k42::noded {
namespace {

std::uint64_t Now() {
  return interconnect::MonotonicClock().NowNs();
}

}  // namespace

EventLoop::EventLoop()
    : epoll_(epoll_create1(EPOLL_CLOEXEC)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  Watch(wake_.get(), EPOLLIN, [this](std::uint32_t) {
    std::uint64_t count;
    [[maybe_unused]] ssize_t size = read(wake_.get(), &count, sizeof count);
  });
}

void EventLoop::Watch(int fd, std::uint32_t events, Ready ready) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  watched_[fd] = std::move(ready);
}

void EventLoop::Change(int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::Unwatch(int fd) {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  watched_.erase(fd);
}

void EventLoop::Post(std::function<void()> work) {
  {
    std::lock_guard guard(mutex_);
    posted_.push_back(std::move(work));
  }
  std::uint64_t one = 1;
  [[maybe_unused]] ssize_t size = write(wake_.get(), &one, sizeof one);
}

void EventLoop::Stop() {
  Post([this] {
    std::lock_guard guard(mutex_);
    stop_ = true;
  });
}

void EventLoop::RunPosted() {
  std::vector<std::function<void()>> work;
  {
    std::lock_guard guard(mutex_);
    work.swap(posted_);
  }
  for (auto& one : work) one();
}

bool EventLoop::LooksOn(const std::function<std::size_t()>& serve) {
  if (linger_.ns() == 0)
    return false;
  const std::uint64_t until = Now() + linger_.ns();
  do {
    if (serve() != 0) {
      linger_.Found();
      return true;
    }
  } while (Now() < until);
  linger_.InVain();
  return false;
}

void EventLoop::Run(const std::function<std::size_t()>& serve, const std::function<int()>& arm) {
  constexpr int kServeRounds = 16;  // then the descriptors' turn, however busy the fabric is
  for (;;) {
    RunPosted();
    {
      std::lock_guard guard(mutex_);
      if (std::exchange(stop_, false))
        return;
    }
    bool busy = true;
    for (int i = 0; i < kServeRounds && busy; ++i) busy = serve() != 0;
    busy = busy || LooksOn(serve);
    const int longest_ms = busy ? 0 : arm();
    const std::uint64_t asleep = Now();
    epoll_event ready[64];
    const int count = epoll_wait(epoll_.get(), ready, 64, longest_ms);
    if (longest_ms != 0)
      linger_.Slept(Now() - asleep);
    for (int i = 0; i < count; ++i) {
      // A handler may take away any other.
      auto it = watched_.find(ready[i].data.fd);
      if (it == watched_.end())
        continue;
      Ready handler = it->second;
      handler(ready[i].events);
    }
  }
}

}  // namespace k42::noded
