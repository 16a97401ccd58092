// A thread that runs what is posted to it, in order, and a function of its own when its time comes.
//
// A task that throws leaves its owner's state half changed: the process ends, and says whose task
// it was, by the place that posted it.
//
// Locking: mutex_ guards queue_ and stopping_; nothing is called with it held.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace k42::agent {

class TaskThread {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Task = std::function<void()>;

  // `after_each` runs after every task and at the time it returned last (Time::max(): no time).
  explicit TaskThread(std::function<Time()> after_each = [] { return Time::max(); })
      : after_each_(std::move(after_each)), thread_([this] { Run(); }) {}
  // What is posted but has not begun is dropped.
  ~TaskThread() { Stop(); }
  TaskThread(const TaskThread&) = delete;
  TaskThread& operator=(const TaskThread&) = delete;

  // `file` and `line`: who posts it.
  void Post(Task task, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    {
      std::lock_guard lock(mutex_);
      if (stopping_)
        return;
      queue_.push_back({std::move(task), file, line});
    }
    wake_.notify_one();
  }

  void Stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      queue_.clear();
    }
    wake_.notify_one();
    if (thread_.joinable())
      thread_.join();
  }

 private:
  struct Posted {
    Task task;
    const char* file = nullptr;
    int line = 0;
  };

  static void RunOne(const Posted& posted) {
    try {
      posted.task();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "the task of %s:%d threw: %s\n", posted.file, posted.line, error.what());
      std::abort();
    }
  }

  void Run() {
    Time next = Time::max();
    while (true) {
      Posted posted;
      {
        std::unique_lock lock(mutex_);
        const auto ready = [this] { return stopping_ || !queue_.empty(); };
        if (next == Time::max())
          wake_.wait(lock, ready);
        else
          wake_.wait_until(lock, next, ready);
        if (stopping_)
          return;
        if (!queue_.empty()) {
          posted = std::move(queue_.front());
          queue_.pop_front();
        }
      }
      if (posted.task)
        RunOne(posted);
      next = after_each_();
    }
  }

  std::function<Time()> after_each_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Posted> queue_;
  bool stopping_ = false;
  std::thread thread_;  // last: starts when the rest is there
};

}  // namespace k42::agent
