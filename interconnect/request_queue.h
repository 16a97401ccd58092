// Requests that wait for their endpoint: in order, bounded, each with its deadline.
#pragma once

#include <cstdint>
#include <deque>

#include "interconnect/transport.h"

namespace k42::interconnect {

inline void End(Events& events, const Request& request, Outcome outcome, Status status,
                std::uint64_t value = 0) {
  events.OnCompletion({request.token, outcome, status, value});
}

class RequestQueue {
 public:
  bool empty() const { return queue_.empty(); }
  const Request& front() const { return queue_.front(); }
  void PopFront() { queue_.pop_front(); }

  // A full queue ends the request at once.
  void Push(const Request& request, Events& events) {
    if (queue_.size() >= kMaxWaiting)
      End(events, request, Outcome::kNotSent, Status::kBusy);
    else
      queue_.push_back(request);
  }
  // Ends what has waited too long, but for the first `begun`; returns how many that were.
  std::size_t Expire(std::uint64_t now_ns, Events& events, std::ptrdiff_t begun = 0) {
    std::size_t ended = 0;
    for (auto it = queue_.begin() + begun; it != queue_.end();) {
      if (it->deadline_ns == 0 || it->deadline_ns > now_ns) {
        ++it;
        continue;
      }
      Request request = *it;
      it = queue_.erase(it);
      End(events, request, Outcome::kNotSent, Status::kTimedOut);
      ++ended;
    }
    return ended;
  }
  void FailAll(Status why, Events& events) {
    // The events may submit again: work on what is there now.
    std::deque<Request> failed;
    failed.swap(queue_);
    for (const Request& request : failed) End(events, request, Outcome::kNotSent, why);
  }
  // The earliest deadline, 0: none.
  std::uint64_t NextDeadline() const {
    std::uint64_t next = 0;
    for (const Request& request : queue_) {
      if (request.deadline_ns != 0 && (next == 0 || request.deadline_ns < next))
        next = request.deadline_ns;
    }
    return next;
  }

 private:
  std::deque<Request> queue_;
};

// The earlier of two timers of which 0 means none.
inline std::uint64_t EarlierTimer(std::uint64_t a, std::uint64_t b) {
  if (a == 0 || b == 0)
    return a + b;
  return a < b ? a : b;
}

}  // namespace k42::interconnect
