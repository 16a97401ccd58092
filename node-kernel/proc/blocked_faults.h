// BlockedFaults: page faults of one dispatcher that block the thread, not the dispatcher
// (kTrapFaultBlocked): the thread's page is on its way, user space has been told a fault id, and
// goes on with other threads until the id's bit is set in the dispatcher's page.
//
// What an id is at is one atomic word's to say (fault_word.h). Of a page that could not be brought
// the thread's next try is told (TakeFailure). A bit that is still set keeps its id from being used
// again: user space has not seen yet that the last one's fault is over.
//
// Each id that waits holds the process: its memory stays until the page has come. `notify` may run
// on any CPU; the rest on the dispatcher's.
#pragma once

#include <atomic>

#include "abi/dispatcher_page.h"
#include "mem/types.h"
#include "proc/fault_word.h"

namespace k42::proc {

class BlockedFaults {
 public:
  // Whom they belong to.
  class Owner {
   public:
    // One is over: its bit is set. Any CPU, thread context. The last thing done with an id.
    virtual void FaultOver() = 0;

   protected:
    ~Owner() = default;
  };

  struct Fault : mem::FaultWaiter {
    Fault() : FaultWaiter(OnPage) {}
    BlockedFaults* all = nullptr;
    std::uint64_t page = 0;
    std::uint32_t start = 0;  // which program's
    FaultWord word;
  };

  BlockedFaults(Owner& owner, abi::DispatcherPage* page) : owner_(owner), page_(page) {
    for (Fault& fault : faults_) fault.all = this;
  }
  BlockedFaults(const BlockedFaults&) = delete;
  BlockedFaults& operator=(const BlockedFaults&) = delete;

  // Null: all ids are in use.
  Fault* Take(std::uint64_t address);
  // It was never queued.
  void Return(Fault* fault) { fault->word.Return(); }
  std::uint32_t IdOf(const Fault* fault) const {
    return static_cast<std::uint32_t>(fault - faults_);
  }
  // Why the page of `address` did not come; asking forgets it. kOk: nothing is known against it.
  Status TakeFailure(std::uint64_t address);
  // What failed is of no interest any more: the process starts again.
  void ForgetFailures();

 private:
  static void OnPage(mem::FaultWaiter* waiter);

  Owner& owner_;
  abi::DispatcherPage* const page_;
  std::atomic<std::uint32_t> failed_{0};
  std::atomic<std::uint32_t> start_{
      0};  // counts the starts of programs: earlier ones' failures are not kept
  Fault faults_[abi::kFaultIdCount];
};

}  // namespace k42::proc
