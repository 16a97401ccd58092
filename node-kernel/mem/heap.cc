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

// Only the owning CPU writes: no atomic read-modify-write.
void CountSlabs(std::atomic<std::uint64_t>& count, int by) {
  count.store(count.load(std::memory_order_relaxed) + static_cast<std::uint64_t>(by),
              std::memory_order_relaxed);
}

}  // namespace

unsigned Heap::ClassOf(std::size_t size) {
  return size <= kSmallest ? 0 : Log2Ceiling(size) - Log2Floor(kSmallest);
}

void* Heap::Allocate(std::size_t size, std::size_t align) {
  const std::size_t wanted = size > align ? size : align;
  return wanted <= kLargest ? AllocateBlock(ClassOf(wanted)) : AllocateRun(wanted);
}

void* Heap::AllocateLocal(std::size_t size, std::size_t align) {
  const std::size_t wanted = size > align ? size : align;
  return wanted <= kLargest ? AllocateBlock(kClasses + ClassOf(wanted)) : AllocateRun(wanted);
}

inline void* Heap::AllocateBlock(unsigned kind) {
  const std::uint32_t cpu = machine::CurrentCpu();
  CpuHeap& heap = cpus_[cpu];
  Frame* slab = heap.partial[kind].Front();
  if (slab == nullptr) [[unlikely]] {
    slab = NewSlab(heap, kind, cpu);
    if (slab == nullptr) {
      return nullptr;
    }
  }
  auto* block = static_cast<Block*>(slab->slab.free);
  slab->slab.free = block->next;
  if (slab == heap.spare[kind]) {
    heap.spare[kind] = nullptr;
  }
  ++slab->slab.used;
  if (slab->slab.free == nullptr) [[unlikely]] {
    heap.partial[kind].Remove(slab);
  }
  if constexpr (kDebugChecks) {
    auto* bytes = reinterpret_cast<unsigned char*>(block);
    CheckFill(bytes + sizeof(Block), SizeOf(kind) - sizeof(Block));
    std::memset(bytes, kFreshFill, SizeOf(kind));
  }
  return block;
}

void* Heap::AllocateRun(std::size_t size) {
  if (size > kLargePageSize) {
    return nullptr;
  }
  const std::uint32_t pages = PagesFor(size);
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
  if (slab->slab_class == kRun) [[unlikely]] {
    FreeRun(slab);
    return;
  }
  K42_DCHECK(size <= SizeOf(slab->slab_class), "freed with a larger size than allocated");
  auto* block = static_cast<Block*>(pointer);
  if constexpr (kDebugChecks) {
    std::memset(static_cast<void*>(block), kFreeFill, SizeOf(slab->slab_class));
  }
  const std::uint32_t cpu = machine::CurrentCpu();
  if (slab->slab_cpu == cpu) [[likely]] {
    FreeAtHome(cpus_[cpu], slab, block);
  } else {
    FreeForeign(cpus_[cpu], slab, block);
  }
}

void Heap::FreeRun(Frame* first) {
  frames_.FreeRun(first, first->slab.used);
}

void Heap::FreeForeign(CpuHeap& heap, Frame* slab, Block* block) {
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

inline void Heap::FreeAtHome(CpuHeap& heap, Frame* slab, Block* block) {
  const unsigned kind = slab->slab_class;
  const bool was_full = slab->slab.free == nullptr;
  block->next = static_cast<Block*>(slab->slab.free);
  slab->slab.free = block;
  if (was_full) [[unlikely]] {
    heap.partial[kind].PushFront(slab);
  }
  if (--slab->slab.used != 0) [[likely]] {
    return;
  }
  if (heap.spare[kind] == nullptr) {
    heap.spare[kind] = slab;
  } else {
    DropSlab(heap, slab);
  }
}

void Heap::DropSlab(CpuHeap& heap, Frame* slab) {
  slab->Unlink();
  CountSlabs(heap.slab_frames, -1);
  frames_.DropReference(slab);
}

Frame* Heap::NewSlab(CpuHeap& heap, unsigned kind, std::uint32_t cpu) {
  if (TakeInbox(heap)) {
    if (Frame* slab = heap.partial[kind].Front()) {
      return slab;
    }
  }
  const Result<Frame*> frame = frames_.Allocate(FramePurpose::kKernel);
  if (!frame.ok()) {
    return nullptr;
  }
  Frame* slab = frame.value();
  slab->slab_class = static_cast<std::uint8_t>(kind);
  slab->slab_cpu = static_cast<std::uint8_t>(cpu);
  slab->slab = {nullptr, 0};
  auto* bytes = FrameAllocator::Data<unsigned char>(slab);
  if constexpr (kDebugChecks) {
    std::memset(bytes, kFreeFill, kPageSize);
  }
  // Threaded backwards, so that blocks are handed out in ascending order.
  for (std::size_t at = kPageSize; at != 0;) {
    at -= SizeOf(kind);
    auto* block = reinterpret_cast<Block*>(bytes + at);
    block->next = static_cast<Block*>(slab->slab.free);
    slab->slab.free = block;
  }
  CountSlabs(heap.slab_frames, 1);
  heap.partial[kind].PushFront(slab);
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

std::uint64_t Heap::slab_frames() const {
  std::uint64_t sum = 0;
  for (const CpuHeap& heap : cpus_) {
    sum += heap.slab_frames.load(std::memory_order_relaxed);
  }
  return sum;
}

void Heap::Trim() {
  CpuHeap& heap = cpus_[machine::CurrentCpu()];
  for (std::uint32_t home = 0; home < machine::kMaxCpus; ++home) {
    if (heap.outbox[home].count != 0) {
      SendHome(heap.outbox[home], home);
    }
  }
  TakeInbox(heap);
  for (unsigned i = 0; i < kSlabKinds; ++i) {
    if (Frame* slab = heap.spare[i]) {
      heap.spare[i] = nullptr;
      DropSlab(heap, slab);
    }
  }
}

}  // namespace k42::mem
