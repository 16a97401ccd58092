#include "thread_stack.h"

#include "kernel_tables.h"
#include "machine/kernel_layout.h"
#include "machine/spin_lock.h"

namespace k42::machine {
namespace {

constinit SpinLock<LockRank::kThreadStacks> lock;
constinit std::uint64_t first_free K42_GUARDED_BY(lock) =
    0;  // linked through the stacks' first word
constinit std::uint64_t next_slot K42_GUARDED_BY(lock) = kStackAreaBase;

}  // namespace

// A slot belongs to whoever moves next_slot on, when all of it is mapped: what a failure leaves
// mapped, the next one finds there, and two that are at it at once complete it together.
Result<std::uint64_t> AllocateStack() {
  for (;;) {
    std::uint64_t slot;
    {
      SpinGuard guard(lock);
      if (first_free != 0) {
        const std::uint64_t bottom = first_free;
        first_free = *reinterpret_cast<std::uint64_t*>(bottom);
        return bottom;
      }
      if (next_slot == kStackAreaEnd) {
        return Status::kLimitExceeded;
      }
      slot = next_slot;
    }
    const std::uint64_t bottom = slot + kStackSlotSize - kStackSize;
    TRY(MapKernelMemory(bottom, kStackSize));
    SpinGuard guard(lock);
    if (next_slot == slot) {
      next_slot += kStackSlotSize;
      return bottom;
    }
  }
}

// For the debug console, which takes no lock: a value that is old by one stack is as good.
std::uint64_t StackAreaUsed() K42_NO_THREAD_SAFETY_ANALYSIS {
  return next_slot;
}

void FreeStack(std::uint64_t bottom) {
  SpinGuard guard(lock);
  *reinterpret_cast<std::uint64_t*>(bottom) = first_free;
  first_free = bottom;
}

}  // namespace k42::machine
