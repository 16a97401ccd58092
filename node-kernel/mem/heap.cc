#include "mem/heap.h"

#include <cstring>

#include "base/align.h"
#include "base/assert.h"
#include "machine/cpu.h"
#include "machine/lock_checks.h"

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
  // The logarithm rounded up, and no less than kSmallest's. Nobody asks for 0 bytes aligned to 0.
  return Log2Floor((size - 1) | (kSmallest - 1)) - (Log2Floor(kSmallest) - 1);
}

void* Heap::Allocate(std::size_t size, std::size_t align) {
  const std::size_t wanted = size > align ? size : align;
  return wanted <= kLargest ? AllocateBlock(ClassOf(wanted)) : AllocateRun(wanted);
}

void* Heap::AllocateLocal(std::size_t size, std::size_t align) {
  const std::size_t wanted = size > align ? size : align;
  return wanted <= kLargest ? AllocateBlock(kClasses + ClassOf(wanted)) : AllocateRun(wanted);
}

inline void* Heap::Given(Block* block, [[maybe_unused]] unsigned kind) {
  if constexpr (kDebugChecks) {
    const machine::UncountedWork uncounted;
    auto* bytes = reinterpret_cast<unsigned char*>(block);
    CheckFill(bytes + sizeof(Block), SizeOf(kind) - sizeof(Block));
    std::memset(bytes, kFreshFill, SizeOf(kind));
  }
  return block;
}

inline void* Heap::AllocateBlock(unsigned kind) {
  Bin& bin = bins_[machine::CurrentCpu()][kind];
  Block* block = bin.free;
  if (block == nullptr) [[unlikely]] {
    return AllocateSlow(kind);
  }
  bin.free = block->next;
  return Given(block, kind);
}

// The active slab is full: another one, what came home, or a new one.
void* Heap::AllocateSlow(unsigned kind) {
  const std::uint32_t cpu = machine::CurrentCpu();
  Bin& bin = bins_[cpu][kind];
  if (bin.partial.empty()) {
    TakeInbox(cpu);
  }
  if (bin.free == nullptr) {  // the active one may have got blocks back
    Frame* slab = bin.partial.Front();
    if (slab == nullptr) {
      slab = NewSlab(cpu, kind);
      if (slab == nullptr) {
        return nullptr;
      }
    }
    Activate(bin, slab, kind);
  }
  Block* block = bin.free;
  bin.free = block->next;
  return Given(block, kind);
}

void Heap::Activate(Bin& bin, Frame* slab, unsigned kind) {
  slab->Unlink();
  if (bin.spare == slab) {
    bin.spare = nullptr;
  }
  bin.active = slab;
  bin.free = static_cast<Block*>(slab->slab.free);
  slab->slab = {nullptr, static_cast<std::uint32_t>(kPageSize / SizeOf(kind))};
}

// Its free blocks are its own again.
void Heap::Deactivate(std::uint32_t cpu, Bin& bin) {
  Frame* slab = bin.active;
  Block* block = bin.free;
  bin.active = nullptr;
  bin.free = nullptr;
  while (block != nullptr) {
    Block* next = block->next;
    FreeNotActive(cpu, slab, block);
    block = next;
  }
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
  first->slab_cpu = kRun;
  first->slab = {nullptr, pages};
  return FrameAllocator::Data(first);
}

void Heap::Free(void* pointer, [[maybe_unused]] std::size_t size) {
  if (pointer == nullptr) {
    return;
  }
  Frame* slab = FrameOf(pointer);
  auto* block = static_cast<Block*>(pointer);
  if constexpr (kDebugChecks) {
    if (slab->slab_cpu != kRun) {
      K42_ASSERT(size <= SizeOf(slab->slab_class), "freed with a larger size than allocated");
      const machine::UncountedWork uncounted;
      std::memset(static_cast<void*>(block), kFreeFill, SizeOf(slab->slab_class));
    }
  }
  const std::uint32_t cpu = machine::CurrentCpu();
  if (slab->slab_cpu == cpu) [[likely]] {
    FreeAtHome(cpu, slab, block);
  } else {
    FreeSlow(cpu, slab, block);
  }
}

// A run, or a block that is at home elsewhere.
void Heap::FreeSlow(std::uint32_t cpu, Frame* slab, Block* block) {
  if (slab->slab_cpu == kRun) {
    frames_.FreeRun(slab, slab->slab.used);
    return;
  }
  Outbox& outbox = cpus_[cpu].outbox[slab->slab_cpu];
  block->next = outbox.first;
  if (outbox.first == nullptr) {
    outbox.last = block;
  }
  outbox.first = block;
  if (++outbox.count == kBatch) {
    SendHome(outbox, slab->slab_cpu);
  }
}

inline void Heap::FreeAtHome(std::uint32_t cpu, Frame* slab, Block* block) {
  Bin& bin = bins_[cpu][slab->slab_class];
  if (bin.active != slab) [[unlikely]] {
    return FreeNotActive(cpu, slab, block);
  }
  block->next = bin.free;
  bin.free = block;
}

void Heap::FreeNotActive(std::uint32_t cpu, Frame* slab, Block* block) {
  Bin& bin = bins_[cpu][slab->slab_class];
  const bool was_full = slab->slab.free == nullptr;
  block->next = static_cast<Block*>(slab->slab.free);
  slab->slab.free = block;
  if (was_full) {
    bin.partial.PushFront(slab);
  }
  if (--slab->slab.used != 0) {
    return;
  }
  if (bin.spare == nullptr) {
    bin.spare = slab;
  } else {
    DropSlab(cpu, slab);
  }
}

void Heap::DropSlab(std::uint32_t cpu, Frame* slab) {
  slab->Unlink();
  CountSlabs(cpus_[cpu].slab_frames, -1);
  frames_.DropReference(slab);
}

Frame* Heap::NewSlab(std::uint32_t cpu, unsigned kind) {
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
    const machine::UncountedWork uncounted;
    std::memset(bytes, kFreeFill, kPageSize);
  }
  // Threaded backwards, so that blocks are handed out in ascending order.
  for (std::size_t at = kPageSize; at != 0;) {
    at -= SizeOf(kind);
    auto* block = reinterpret_cast<Block*>(bytes + at);
    block->next = static_cast<Block*>(slab->slab.free);
    slab->slab.free = block;
  }
  CountSlabs(cpus_[cpu].slab_frames, 1);
  bins_[cpu][kind].partial.PushFront(slab);
  return slab;
}

void Heap::SendHome(Outbox& outbox, std::uint32_t home) {
  cpus_[home].inbox.Send(outbox.first, outbox.last);
  outbox = {};
}

void Heap::TakeInbox(std::uint32_t cpu) {
  Block* block = cpus_[cpu].inbox.TakeAll();
  while (block != nullptr) {
    Block* next = block->next;
    FreeAtHome(cpu, FrameOf(block), block);
    block = next;
  }
}

std::uint64_t Heap::slab_frames() const {
  std::uint64_t sum = 0;
  for (const CpuHeap& heap : cpus_) {
    sum += heap.slab_frames.load(std::memory_order_relaxed);
  }
  return sum;
}

void Heap::Trim() {
  const std::uint32_t cpu = machine::CurrentCpu();
  CpuHeap& heap = cpus_[cpu];
  for (std::uint32_t home = 0; home < machine::kMaxCpus; ++home) {
    if (heap.outbox[home].count != 0) {
      SendHome(heap.outbox[home], home);
    }
  }
  TakeInbox(cpu);
  for (Bin& bin : bins_[cpu]) {
    if (bin.active != nullptr) {
      Deactivate(cpu, bin);
    }
    if (Frame* slab = bin.spare) {
      bin.spare = nullptr;
      DropSlab(cpu, slab);
    }
  }
}

}  // namespace k42::mem
