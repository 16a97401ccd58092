// What the debug kernel's heap finds: leaks, and uses of memory after it was freed.
#include "base/assert.h"
#include "boot/start_memory.h"
#include "guest/guest_test.h"
#include "machine/call_chain.h"
#include "machine/phys.h"
#include "mem/heap.h"

namespace k42 {
namespace {

struct Leaked {
  void* block[3];
};

[[gnu::noinline]] void* LeakOnPurpose(std::size_t size) {
  void* block = mem::Allocate(size);
  asm volatile("" : "+r"(block));  // no tail call: the chain must show this function
  return block;
}

// run.py looks for the chain in the log: "leak: 3 blocks, 120 bytes", LeakOnPurpose.
GUEST_TEST(debug_leak_is_named) {
  mem::DebugHeap& heap = *boot::KernelDebugHeap();
  const std::uint64_t mark = heap.Mark();
  Leaked leaked;
  for (void*& block : leaked.block) {
    block = LeakOnPurpose(40);
    REQUIRE(block != nullptr);
  }
  void* not_leaked = LeakOnPurpose(48);
  mem::Free(not_leaked, 48);
  const mem::DebugHeap::Count found = heap.LogLeaks(mark);
  EXPECT_EQ(found.blocks, 3u);
  EXPECT_EQ(found.bytes, 120u);
  EXPECT(heap.Explain(static_cast<char*>(leaked.block[1]) + 39));
  for (void* block : leaked.block) {
    mem::Free(block, 40);
  }
  EXPECT_EQ(heap.LiveSince(mark).blocks, 0u);
}

// Many blocks at once need many records, and give their memory back with the blocks.
GUEST_TEST(debug_records_go_back_to_memory) {
  constexpr std::size_t kBlocks = 4000;
  mem::DebugHeap& heap = *boot::KernelDebugHeap();
  auto* blocks = static_cast<void**>(mem::Allocate(kBlocks * sizeof(void*)));
  REQUIRE(blocks != nullptr);
  const std::uint64_t before = heap.record_frames();
  for (std::size_t i = 0; i < kBlocks; ++i) {
    blocks[i] = mem::Allocate(32);
    REQUIRE(blocks[i] != nullptr);
  }
  const std::uint64_t most = heap.record_frames();
  EXPECT(most >= before + 100);
  for (std::size_t i = 0; i < kBlocks; ++i) {
    mem::Free(blocks[i], 32);
  }
  heap.EmptyQuarantine();
  EXPECT(heap.record_frames() <= before + (most - before) / 8);
  mem::Free(blocks, kBlocks * sizeof(void*));
}

GUEST_TEST(debug_call_chain_names_its_callers) {
  std::uint64_t chain[4];
  const std::size_t depth = machine::CaptureCallChain(chain, 0);
  REQUIRE(depth >= 2);
  EXPECT(machine::PlaceOfCall(chain[0]).name.find("debug_call_chain_names_its_callers") !=
         std::string_view::npos);
  EXPECT(machine::PlaceOfCall(chain[1]).name.find("RunGuestTests") != std::string_view::npos);
}

GUEST_TEST(panic_debug_write_after_free) {
  auto* block = static_cast<volatile char*>(LeakOnPurpose(100));
  mem::Free(const_cast<char*>(block), 100);
  block[60] = 1;
  boot::KernelDebugHeap()->EmptyQuarantine();
}

GUEST_TEST(panic_debug_read_after_free) {
  struct Node {
    Node* next;
    int value;
  };
  auto* node = static_cast<Node*>(LeakOnPurpose(sizeof(Node)));
  *node = {node, 5};
  mem::Free(node, sizeof(Node));
  asm("" : "+r"(node)::"memory");
  machine::Log("value {}", node->next->value);
}

GUEST_TEST(panic_debug_free_twice) {
  void* block = LeakOnPurpose(100);
  mem::Free(block, 100);
  asm("" : "+r"(block));
  mem::Free(block, 100);
}

GUEST_TEST(panic_debug_free_of_what_is_inside) {
  auto* block = static_cast<char*>(LeakOnPurpose(100));
  mem::Free(block + 16, 84);
}

GUEST_TEST(panic_debug_frame_written_after_free) {
  mem::FrameAllocator& frames = boot::Frames();
  mem::Frame* frame = frames.Allocate(mem::FramePurpose::kKernel).value();
  auto* words = mem::FrameAllocator::Data<volatile std::uint64_t>(frame);
  frames.DropReference(frame);
  words[77] = 1;
  for (int i = 0; i < 100; ++i) {
    static_cast<void>(frames.Allocate(mem::FramePurpose::kKernel));
  }
}

}  // namespace
}  // namespace k42
