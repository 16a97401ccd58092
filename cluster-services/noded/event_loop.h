// The daemon's one thread: descriptors, a tick, and work posted by other threads.
//
// Each round: `serve` until it does nothing more (at most a bounded number of times), and a moment
// longer where that pays (linger.h); then `arm` tells how long to sleep at most (0: do not sleep),
// then whatever became ready.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "base/thread_annotations.h"
#include "cluster-services/noded/linger.h"
#include "interconnect/unique_fd.h"

namespace k42::noded {

class EventLoop {
 public:
  using Ready = std::function<void(std::uint32_t events)>;

  EventLoop();

  // The loop's thread. `events` are epoll's; level-triggered.
  void Watch(int fd, std::uint32_t events, Ready ready);
  void Change(int fd, std::uint32_t events);
  void Unwatch(int fd);

  // Any thread: `work` runs on the loop's.
  void Post(std::function<void()> work);
  void Stop();

  // Until Stop; may run again. `serve` returns how much it did; `arm` the longest sleep in
  // milliseconds.
  void Run(const std::function<std::size_t()>& serve, const std::function<int()>& arm);

 private:
  void RunPosted();
  // There was nothing to do. True: now there is.
  bool LooksOn(const std::function<std::size_t()>& serve);

  Linger linger_;
  interconnect::UniqueFd epoll_;
  interconnect::UniqueFd wake_;
  std::map<int, Ready> watched_;
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // under mutex_
  bool stop_ = false;                          // under mutex_
};

}  // namespace k42::noded
