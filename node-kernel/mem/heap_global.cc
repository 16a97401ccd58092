// The kernel's one heap, and what serves before it is set.
#include "machine/fallback_heap.h"
#include "mem/heap.h"

namespace k42::mem {

namespace {

constexpr std::size_t kLine = 64;

class FallbackHeap final : public Allocator {
 public:
  void* Allocate(std::size_t size, std::size_t align) override {
    return machine::FallbackAllocate(size, align);
  }
  void Free(void* block, std::size_t) override { machine::FallbackFree(block); }
};

constinit FallbackHeap fallback;
constinit Allocator* the_heap = &fallback;  // written once, before other CPUs run

}  // namespace

void SetHeap(Allocator* heap) {
  the_heap = heap != nullptr ? heap : &fallback;
}

Allocator& TheHeap() {
  return *the_heap;
}

void* Allocate(std::size_t size, AllocKind kind) {
  switch (kind) {
    case AllocKind::kPadded:
      return the_heap->Allocate(AlignUp(size, kLine), kLine);
    case AllocKind::kLocal:
      return the_heap->AllocateLocal(size, Heap::kSmallest);
    case AllocKind::kShared:
      break;
  }
  return the_heap->Allocate(size, Heap::kSmallest);
}

void Free(void* block, std::size_t size, AllocKind kind) {
  the_heap->Free(block, kind == AllocKind::kPadded ? AlignUp(size, kLine) : size);
}

}  // namespace k42::mem
