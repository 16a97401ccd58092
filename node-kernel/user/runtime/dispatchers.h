// Native programs with several dispatchers: code of one address space that runs on several CPUs.
//
// A dispatcher runs one function after another, each to its end, on a stack of its own; what waits,
// waits with its dispatcher. The first runs Main. Others are started with a function, and when it
// returns they park: the kernel may give their index out again.
//
//   Event done;
//   TRY(StartDispatcher(1, [](void* event) { static_cast<Event*>(event)->Set(); }, &done));
//   done.Wait();
//
// A WorkQueue is a dispatcher's row of pieces of work that others give it. Whoever finds the row
// empty wakes it: one call of the kernel for each change from empty to not empty.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/mpsc_stack.h"
#include "base/result.h"

namespace k42::runtime {

inline constexpr std::uint64_t kDispatcherStackSize = 64 << 10;

// On that CPU, with a fresh stack. Returns its index. kInvalidArgument: no CPU for this process.
Result<std::uint32_t> StartDispatcher(std::uint32_t cpu, void (*function)(void*), void* argument);

// Of the calling code.
std::uint32_t DispatcherIndex();

// Set once for each Wait; one waiter at a time, any number of setters.
//
// One word: kClear, kSet, or who waits. The waiter publishes itself and looks again in one step;
// whoever exchanges it away notifies. A notice that comes late ends some later wait of that
// dispatcher for nothing, and each wait looks again.
class Event {
 public:
  void Set();
  void Wait();
  // Whether it was set; takes that.
  bool Try();

 private:
  static constexpr std::uint32_t kClear = 0, kSet = 1, kWaiter = 2;
  std::atomic<std::uint32_t> word_{kClear};
};

class WorkQueue {
 public:
  struct Work {
    Work* next = nullptr;
    void (*run)(Work* work) = nullptr;
  };

  // Any dispatcher. The work is the queue's until it runs.
  void Post(Work* work);
  // The queue's dispatcher: runs what there is, or waits until there is something.
  void RunSome();

 private:
  MpscStack<Work, &Work::next> posted_;
  Event wanted_;
};

}  // namespace k42::runtime
