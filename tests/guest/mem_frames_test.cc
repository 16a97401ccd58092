// Frames and heap of the running kernel, on all CPUs at once.
#include <atomic>

#include "boot/start_memory.h"
#include "guest/guest_test.h"
#include "machine/cpu.h"
#include "machine/thread.h"
#include "mem/heap.h"

namespace k42 {
namespace {

using machine::CpuId;
using machine::Thread;

// Runs work on every CPU and waits for all.
struct OnAllCpus {
  explicit OnAllCpus(void (*work_function)()) : work(work_function) {
    for (CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
      EXPECT(Thread::Create("mem test", Entry, this, cpu).ok());
    }
    while (done.load() < machine::CpuCount()) {
      Thread::Yield();
    }
  }
  static void Entry(void* self) {
    static_cast<OnAllCpus*>(self)->work();
    static_cast<OnAllCpus*>(self)->done.fetch_add(1);
    Thread::Exit();
  }
  void (*work)();
  std::atomic<CpuId> done{0};
};

GUEST_TEST(mem_heap_on_all_cpus) {
  // Each CPU allocates, passes blocks on through shared slots, and frees what it finds there.
  static constinit std::atomic<std::uint64_t*> slots[8] = {};
  OnAllCpus run([] {
    for (std::uint32_t i = 0; i < 3000; ++i) {
      auto* block = static_cast<std::uint64_t*>(mem::Allocate(16 + i % 1000));
      REQUIRE(block != nullptr);
      *block = 16 + i % 1000;
      block = slots[(i + machine::CurrentCpu()) % 8].exchange(block);
      if (block != nullptr) {
        EXPECT(*block >= 16 && *block < 1016);
        mem::Free(block, *block);
      }
    }
  });
  for (auto& slot : slots) {
    if (std::uint64_t* block = slot.exchange(nullptr)) {
      mem::Free(block, *block);
    }
  }
}

GUEST_TEST(mem_frames_are_zeroed_and_returned) {
  mem::FrameAllocator& frames = boot::Frames();
  const std::uint64_t before = frames.free_frames();
  mem::Frame* taken[100];
  for (mem::Frame*& frame : taken) {
    frame = frames.AllocateZeroed(mem::FramePurpose::kKernel).value();
    const auto* words = mem::FrameAllocator::Data<const std::uint64_t>(frame);
    EXPECT(words[0] == 0 && words[511] == 0);
    mem::FrameAllocator::Data<std::uint64_t>(frame)[7] = 1;
  }
  for (mem::Frame* frame : taken) {
    frames.DropReference(frame);
  }
  EXPECT_EQ(frames.free_frames(), before);
}

}  // namespace
}  // namespace k42
