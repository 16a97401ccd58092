// FailEach: memory runs out in one scenario, everywhere: the first, second, third ... allocation
// fails, until none is left that could. Each time the answer is an error (or the work is done
// without), nothing panics or hangs, and what was allocated is given back: blocks of the heap are
// compared one by one, and a leak is named by its call chain; frames are counted.
#pragma once

#include "boot/start_memory.h"
#include "cobj/object_system.h"
#include "guest/guest_test.h"
#include "machine/clock.h"
#include "machine/thread.h"

namespace k42::guest {

// Until everything destroyed is gone.
inline void Settle() {
  cobj::node_objects->FlushIds();
  const std::uint64_t deadline = machine::MonotonicNs() + 20'000'000'000;
  for (;;) {
    const auto counts = cobj::node_objects->counts();
    if (counts.disposed >= counts.destroyed && cobj::node_objects->grace().idle()) {
      return;
    }
    if (machine::MonotonicNs() > deadline) {
      EXPECT(!"what was destroyed is gone within 20 s");
      return;
    }
    machine::Thread::Current()->Unblock();
    machine::Thread::BlockExternal();  // holds nothing of any object here
    machine::Thread::Yield();
  }
}

inline std::uint64_t FramesInUse() {
  boot::KernelDebugHeap()->EmptyQuarantine();
  boot::KernelHeap().Trim();
  const mem::FrameAllocator& frames = boot::Frames();
  return frames.total_frames() - frames.free_frames() - boot::KernelHeap().slab_frames() -
         boot::KernelDebugHeap()->record_frames();
}

struct FailOptions {
  mem::FailureInjector::Whose whose = mem::FailureInjector::Whose::kCallers;
};

// `scenario()` makes things and takes them down again; false: something was refused.
template <typename Scenario>
void FailEach(const char* name, Scenario scenario, const FailOptions& options = {}) {
  constexpr std::uint64_t kMost = 2000;
  mem::DebugHeap& heap = *boot::KernelDebugHeap();
  mem::FailureInjector& failures = boot::Frames().failures();
  for (int i = 0; i < 40; ++i) {  // what is made once and kept is there afterwards
    EXPECT(scenario());
  }
  Settle();
  const std::uint64_t frames_before = FramesInUse();
  std::uint64_t refused = 0;
  std::uint64_t survived = 0;
  std::uint64_t leaked = 0;
  for (std::uint64_t nth = 0;; ++nth) {
    REQUIRE(nth < kMost);
    const std::uint64_t mark = heap.Mark();
    failures.Arm(nth, options.whose);
    const bool done = scenario();
    const std::uint64_t failed = failures.Disarm();
    Settle();
    if (heap.LiveSince(mark).blocks != 0) {
      if (leaked++ < 4) {
        machine::Log("  {}: allocation {} failed, and", name, nth);
        heap.LogLeaks(mark, 3);
      }
    }
    if (failed == 0) {
      EXPECT(done);
      break;
    }
    done ? ++survived : ++refused;
  }
  const std::uint64_t frames_after = FramesInUse();
  machine::Log(
      "  {}: {} allocations failed: {} times an error, {} times done without it; frames "
      "{} before, {} after",
      name, refused + survived, refused, survived, frames_before, frames_after);
  EXPECT(refused != 0);
  EXPECT_EQ(leaked, 0u);
  EXPECT(frames_after <= frames_before);
}

}  // namespace k42::guest
