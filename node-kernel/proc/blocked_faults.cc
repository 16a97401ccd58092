#include "proc/blocked_faults.h"

namespace k42::proc {

namespace {
constexpr std::uint64_t kPageMask = ~std::uint64_t{abi::kPageSize - 1};
}  // namespace

BlockedFaults::Fault* BlockedFaults::Take(std::uint64_t address) {
  for (Fault& fault : faults_) {
    const std::uint64_t bit = std::uint64_t{1} << IdOf(&fault);
    if (fault.word.free() && (page_->faults_completed.load(std::memory_order_acquire) & bit) == 0) {
      fault.page = address & kPageMask;
      fault.start = start_.load(std::memory_order_relaxed);
      fault.word.Wait();
      return &fault;
    }
  }
  return nullptr;
}

// A failure is there before the bit is: who takes the bit may try at once.
void BlockedFaults::OnPage(mem::FaultWaiter* waiter) {
  auto* fault = static_cast<Fault*>(waiter);
  BlockedFaults& all = *fault->all;
  const bool failed = fault->status != Status::kOk;
  const std::uint64_t bit = std::uint64_t{1} << all.IdOf(fault);
  const auto tell = [&all, bit] {
    all.page_->faults_completed.fetch_or(bit, std::memory_order_release);
  };
  if (failed && fault->start == all.start_.load(std::memory_order_acquire)) {
    all.failed_.fetch_add(1, std::memory_order_relaxed);
    fault->word.Failed(tell);
  } else {
    fault->word.Came(tell);
  }
  all.owner_.FaultOver();
}

Status BlockedFaults::TakeFailure(std::uint64_t address) {
  if (failed_.load(std::memory_order_relaxed) == 0)
    return Status::kOk;
  for (Fault& fault : faults_) {
    if (fault.word.has_failed() && fault.page == (address & kPageMask)) {
      const Status status = fault.status;
      failed_.fetch_sub(1, std::memory_order_relaxed);
      fault.word.TakeFailure();
      return status;
    }
  }
  return Status::kOk;
}

void BlockedFaults::ForgetFailures() {
  start_.fetch_add(1, std::memory_order_acq_rel);
  for (Fault& fault : faults_) {
    if (fault.word.has_failed()) {
      failed_.fetch_sub(1, std::memory_order_relaxed);
      fault.word.TakeFailure();
    }
  }
}

}  // namespace k42::proc
