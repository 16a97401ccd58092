// What a local allocation and its free cost together. A count of instructions where run with
// `run.py --icount --cpus 1` (one instruction is one nanosecond); the bench reads these lines.
#include "boot/start_memory.h"
#include "guest/guest_test.h"
#include "machine/clock.h"
#include "mem/heap.h"

namespace k42 {
namespace {

constexpr std::uint64_t kPairs = 10'000;

template <typename Pair>
void Measure(const char* name, Pair pair) {
  const auto loop = [](auto body) {
    const std::uint64_t begin = machine::MonotonicNs();
    for (std::uint64_t i = 0; i < kPairs; ++i) {
      body();
    }
    return machine::MonotonicNs() - begin;
  };
  pair();
  const std::uint64_t empty = loop([] { asm volatile("" ::: "memory"); });
  const std::uint64_t whole = loop(pair);
  machine::Log("  {} {}", name, (whole - empty) / kPairs);
}

GUEST_TEST(mem_heap_cost) {
  Allocator& heap = mem::TheHeap();
  Measure("pair_64", [&] {
    void* block = heap.Allocate(64, 16);
    asm volatile("" : "+r"(block)::"memory");
    heap.Free(block, 64);
  });
  Measure("pair_local_200", [&] {
    void* block = heap.AllocateLocal(200, 16);
    asm volatile("" : "+r"(block)::"memory");
    heap.Free(block, 200);
  });
  Measure("pair_padded_40", [&] {
    void* block = mem::Allocate(40, mem::AllocKind::kPadded);
    asm volatile("" : "+r"(block)::"memory");
    mem::Free(block, 40, mem::AllocKind::kPadded);
  });
  Measure("pair_frame", [&] {
    mem::Frame* frame = boot::Frames().Allocate(mem::FramePurpose::kKernel).value();
    asm volatile("" : "+r"(frame)::"memory");
    boot::Frames().DropReference(frame);
  });
}

}  // namespace
}  // namespace k42
