// Frames and heap of the running kernel, on all CPUs at once.
#include <algorithm>
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

// With --numa: each CPU's frames, and so its heap's blocks, are its own node's; without, all are of
// the one node.
GUEST_TEST(mem_frames_are_of_the_cpus_node) {
  OnAllCpus run([] {
    mem::FrameAllocator& frames = boot::Frames();
    const std::uint8_t own = frames.node_of(machine::CurrentCpu());
    // First what the cache still holds from the time when all CPUs were on one node.
    mem::Frame* taken[64];
    for (mem::Frame*& frame : taken) {
      frame = frames.Allocate(mem::FramePurpose::kKernel).value();
    }
    EXPECT_EQ(taken[63]->node, own);
    for (mem::Frame* frame : taken) {
      frames.DropReference(frame);
    }
    mem::Frame* large =
        frames.AllocateRun(mem::kPagesPerLargePage, mem::FramePurpose::kKernel).value();
    EXPECT_EQ(large->node, own);
    EXPECT(IsAligned(large->address, mem::kLargePageSize));
    frames.FreeRun(large, mem::kPagesPerLargePage);
  });
}

// One CPU allocates, its neighbour frees: memory returns home, and no side grows.
GUEST_TEST(mem_heap_producer_and_consumer) {
  if (machine::CpuCount() == 1)
    SKIP("one CPU");
  static constinit std::atomic<void*> belt[64] = {};
  static constinit std::atomic<std::uint64_t> most{0};
  constexpr std::uint32_t kBlocks = 5'000;
  const std::uint64_t before = boot::KernelHeap().slab_frames();
  OnAllCpus run([] {
    const CpuId cpu = machine::CurrentCpu();
    for (std::uint32_t i = 0; cpu == 0 && i < kBlocks;) {
      void* block = mem::Allocate(256);
      REQUIRE(block != nullptr);
      for (void* expected = nullptr; !belt[i % 64].compare_exchange_weak(expected, block);
           expected = nullptr) {
        Thread::Yield();
      }
      if (++i % 1024 == 0) {
        most = std::max(most.load(), boot::KernelHeap().slab_frames());
      }
    }
    for (std::uint32_t i = 0; cpu == machine::CpuCount() - 1 && i < kBlocks; ++i) {
      void* block;
      while ((block = belt[i % 64].exchange(nullptr)) == nullptr) {
        Thread::Yield();
      }
      mem::Free(block, 256);
    }
  });
  for (int round = 0; round < 2; ++round) {
    OnAllCpus trim([] {
      if (mem::DebugHeap* debug = boot::KernelDebugHeap()) {
        debug->EmptyQuarantine();
      }
      boot::KernelHeap().Trim();
    });
  }
  // 64 on the belt, at most 16 in the outbox, and what the consumer's side has not taken in yet: a
  // few slabs of 16 blocks, however many blocks went through.
  machine::Log("  slab frames: {} before, at most {}, {} after", before, most.load(),
               boot::KernelHeap().slab_frames());
  EXPECT(most.load() < before + 32);
  EXPECT(boot::KernelHeap().slab_frames() <= before + 2);
}

}  // namespace
}  // namespace k42
