#include "mem/heap.h"

#include <cstring>

#include "base/align.h"
#include "base/assert.h"
#include "machine/cpu.h"

namespace k42::mem {

namespace {

constexpr unsigned char kFreeFill = 0xd5;
constexpr unsigned char kFreshFill = 0xa5;

[[maybe_unused]] void CheckFill(const unsigned char* bytes, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    K42_ASSERT(bytes[i] == kFreeFill, "heap block written after it was freed");
  }
}

std::uint32_t PagesFor(std::size_t size) {
  return static_cast<std::uint32_t>(DivideUp<std::uint64_t>(size, kPageSize));
}

}  // namespace

unsigned Heap::ClassOf(std::size_t size) {
  return size <= kSmallest ? 0 : Log2Ceiling(size) - Log2Floor(kSmallest);
}

void* Heap::Allocate(std::size_t size, std::size_t align) {
  const std::size_t wanted = size > align ? size : align;
  if (wanted > kLargest) {
    if (wanted > kLargePageSize) {
      return nullptr;
    }
    return AllocateRun(PagesFor(wanted));
  }
  const unsigned size_class = ClassOf(wanted);
  const std::uint32_t cpu = machine::CurrentCpu();
  CpuHeap& heap = cpus_[cpu];
  Frame* slab = heap.partial[size_class].Front();
  if (slab == nullptr) [[unlikely]] {
    slab = NewSlab(heap, size_class, cpu);
    if (slab == nullptr) {
      return nullptr;
    }
  }
  auto* block = static_cast<Block*>(slab->slab.free);
  slab->slab.free = block->next;
  if (slab == heap.spare[size_class]) {
    heap.spare[size_class] = nullptr;
  }
  ++slab->slab.used;
  if (slab->slab.free == nullptr) {
    heap.partial[size_class].Remove(slab);
  }
  if constexpr (kDebugChecks) {
    auto* bytes = reinterpret_cast<unsigned char*>(block);
    CheckFill(bytes + sizeof(Block), SizeOf(size_class) - sizeof(Block));
    std::memset(bytes, kFreshFill, SizeOf(size_class));
  }
  return block;
}

void* Heap::AllocateRun(std::uint32_t pages) {
  const Result<Frame*> run = pages == 1 ? frames_.Allocate(FramePurpose::kKernel)
                                        : frames_.AllocateRun(pages, FramePurpose::kKernel);
  if (!run.ok()) {
    return nullptr;
  }
  Frame* first = run.value();
  first->slab_class = kRun;
  first->slab = {nullptr, pages};
  return FrameAllocator::Data(first);
}

void Heap::Free(void* pointer, [[maybe_unused]] std::size_t size) {
  if (pointer == nullptr) {
    return;
  }
  Frame* slab = FrameOf(pointer);
  if (slab->slab_class == kRun) {
    frames_.FreeRun(slab, slab->slab.used);
    return;
  }
  K42_DCHECK(ClassOf(size) <= slab->slab_class, "freed with a larger size than allocated");
  auto* block = static_cast<Block*>(pointer);
  if constexpr (kDebugChecks) {
    std::memset(static_cast<void*>(block), kFreeFill, SizeOf(slab->slab_class));
  }
  CpuHeap& heap = cpus_[machine::CurrentCpu()];
  if (slab->slab_cpu == machine::CurrentCpu()) [[likely]] {
    FreeAtHome(heap, slab, block);
    return;
  }
  Outbox& outbox = heap.outbox[slab->slab_cpu];
  block->next = outbox.first;
  if (outbox.first == nullptr) {
    outbox.last = block;
  }
  outbox.first = block;
  if (++outbox.count == kBatch) {
    SendHome(outbox, slab->slab_cpu);
  }
}

void Heap::FreeAtHome(CpuHeap& heap, Frame* slab, Block* block) {
  const unsigned size_class = slab->slab_class;
  const bool was_full = slab->slab.free == nullptr;
  block->next = static_cast<Block*>(slab->slab.free);
  slab->slab.free = block;
  if (was_full) {
    heap.partial[size_class].PushFront(slab);
  }
  if (--slab->slab.used != 0) {
    return;
  }
  if (heap.spare[size_class] == nullptr) {
    heap.spare[size_class] = slab;
    return;
  }
  heap.partial[size_class].Remove(slab);
  slab_frames_.fetch_sub(1, std::memory_order_relaxed);
  frames_.DropReference(slab);
}

Frame* Heap::NewSlab(CpuHeap& heap, unsigned size_class, std::uint32_t cpu) {
  if (TakeInbox(heap)) {
    if (Frame* slab = heap.partial[size_class].Front()) {
      return slab;
    }
  }
  const Result<Frame*> frame = frames_.Allocate(FramePurpose::kKernel);
  if (!frame.ok()) {
    return nullptr;
  }
  Frame* slab = frame.value();
  slab->slab_class = static_cast<std::uint8_t>(size_class);
  slab->slab_cpu = static_cast<std::uint8_t>(cpu);
  slab->slab = {nullptr, 0};
  auto* bytes = FrameAllocator::Data<unsigned char>(slab);
  if constexpr (kDebugChecks) {
    std::memset(bytes, kFreeFill, kPageSize);
  }
  // Threaded backwards, so that blocks are handed out in ascending order.
  for (std::size_t at = kPageSize; at != 0;) {
    at -= SizeOf(size_class);
    auto* block = reinterpret_cast<Block*>(bytes + at);
    block->next = static_cast<Block*>(slab->slab.free);
    slab->slab.free = block;
  }
  slab_frames_.fetch_add(1, std::memory_order_relaxed);
  heap.partial[size_class].PushFront(slab);
  return slab;
}

void Heap::SendHome(Outbox& outbox, std::uint32_t home) {
  std::atomic<Block*>& inbox = cpus_[home].inbox;
  Block* top = inbox.load(std::memory_order_relaxed);
  do {
    outbox.last->next = top;
  } while (!inbox.compare_exchange_weak(top, outbox.first, std::memory_order_release,
                                        std::memory_order_relaxed));
  outbox = {};
}

// Everything at once, so the stack in the inbox knows no ABA. True if there was anything.
bool Heap::TakeInbox(CpuHeap& heap) {
  if (heap.inbox.load(std::memory_order_relaxed) == nullptr) {
    return false;
  }
  Block* block = heap.inbox.exchange(nullptr, std::memory_order_acquire);
  while (block != nullptr) {
    Block* next = block->next;
    FreeAtHome(heap, FrameOf(block), block);
    block = next;
  }
  return true;
}

void Heap::Trim() {
  CpuHeap& heap = cpus_[machine::CurrentCpu()];
  for (std::uint32_t home = 0; home < machine::kMaxCpus; ++home) {
    if (heap.outbox[home].count != 0) {
      SendHome(heap.outbox[home], home);
    }
  }
  TakeInbox(heap);
  for (unsigned i = 0; i < kClasses; ++i) {
    if (Frame* slab = heap.spare[i]) {
      heap.spare[i] = nullptr;
      heap.partial[i].Remove(slab);
      slab_frames_.fetch_sub(1, std::memory_order_relaxed);
      frames_.DropReference(slab);
    }
  }
}

}  // namespace k42::mem
