// The counted build's node: virtual CPUs with the real frame allocator, heap and object system, as
// a kernel has them (support/node_fixture.h counts its allocations in one shared word).
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "cobj/object_system.h"
#include "machine/hosted.h"
#include "machine/thread.h"
#include "mem/heap.h"
#include "mem/services.h"
#include "support/line_count/line_count.h"

namespace k42::test {

struct CountingNode {
  static constexpr machine::CpuId kCpus = 4;

  CountingNode() {
    constexpr machine::PhysAddr kBegin = 16ull << 20;
    const mem::MemoryRange range{kBegin, kBegin + (128ull << 20), 0};
    EXPECT_EQ(frames.Initialise({&range, 1}, kCpus), Status::kOk);
    mem::SetHeap(&heap);
    machine::hosted::SetCpuCount(kCpus);
    objects.Start(heap);
    for (machine::CpuId cpu = 0; cpu < kCpus; ++cpu) (void)objects.AddCpu(cpu);
    machine::SetActivityHooks({&cobj::ActivateThread, &cobj::DeactivateThread});
  }
  // Stays for the whole program, as the virtual CPUs' loops do.
  static CountingNode& Get() {
    static CountingNode* const node = new CountingNode;
    return *node;
  }

  mem::FrameAllocator frames;
  mem::MemoryServices services{frames};
  mem::Heap heap{frames};
  cobj::ObjectSystem objects;
};

}  // namespace k42::test
