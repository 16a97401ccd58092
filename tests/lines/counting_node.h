// The counted build's node: virtual CPUs with the real frame allocator, heap and object system, as
// a kernel has them (support/node_fixture.h counts its allocations in one shared word).
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "cobj/object_system.h"
#include "machine/hosted.h"
#include "machine/thread.h"
#include "mem/heap.h"
#include "mem/services.h"
#include "support/line_count/line_count.h"

namespace k42::test {

struct CountingNode {
  static constexpr machine::CpuId kCpus = 4;
  static constexpr machine::PhysAddr kBegin = 16ull << 20, kEnd = kBegin + (128ull << 20);

  CountingNode() {
    const mem::MemoryRange range{kBegin, kEnd, 0};
    EXPECT_EQ(frames.Initialise({&range, 1}, kCpus), Status::kOk);
    mem::SetHeap(&heap);
    machine::hosted::SetCpuCount(kCpus);
    objects.Start(heap);
    for (machine::CpuId cpu = 0; cpu < kCpus; ++cpu) (void)objects.AddCpu(cpu);
    machine::SetActivityHooks({&cobj::ActivateThread, &cobj::DeactivateThread});
    SetPlaceNames([this](std::uint64_t address) { return PlaceName(address); });
  }
  // Stays for the whole program, as the virtual CPUs' loops do.
  static CountingNode& Get() {
    static CountingNode* const node = new CountingNode;
    return *node;
  }
  // Which part of the node it is; of memory that was handed out, what its frame is, or was last.
  std::string PlaceName(std::uint64_t address) const;

  mem::FrameAllocator frames;
  mem::MemoryServices services{frames};
  mem::Heap heap{frames};
  cobj::ObjectSystem objects;
};

}  // namespace k42::test
