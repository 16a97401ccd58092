#include "user/linux/heap.h"

#include <bit>

#include "user/linux/kernel.h"

namespace k42::personality {
namespace {

constexpr std::size_t kSmallest = 16;
constexpr std::size_t kPage = abi::kPageSize;
constexpr std::size_t kClassCount = 9;  // 16 .. 4096
constexpr std::size_t kChunk = 256 * 1024;

struct FreeBlock {
  FreeBlock* next;
  std::size_t size;  // of large blocks
};

FreeBlock* small_free[kClassCount];
FreeBlock* large_free;
char* small_next;  // the rest of a page
char* small_end;
char* chunk_next;
char* chunk_end;

std::size_t RoundToPages(std::size_t size) {
  return (size + kPage - 1) & ~(kPage - 1);
}

// The class of a size, by its power of two.
std::size_t ClassOf(std::size_t size) {
  return size <= kSmallest ? 0 : std::bit_width(size - 1) - std::bit_width(kSmallest - 1);
}

char* TakePages(std::size_t size) {
  if (static_cast<std::size_t>(chunk_end - chunk_next) < size) {
    const std::size_t wanted = size > kChunk ? size : kChunk;
    char* fresh = kernel::GrowHeap(wanted);
    if (!fresh) {
      return nullptr;
    }
    if (fresh != chunk_end) {
      chunk_next = fresh;
    }
    chunk_end = fresh + wanted;
  }
  char* pages = chunk_next;
  chunk_next += size;
  return pages;
}

void* AllocateLarge(std::size_t size) {
  for (FreeBlock** link = &large_free; *link; link = &(*link)->next) {
    FreeBlock* block = *link;
    if (block->size < size) {
      continue;
    }
    if (block->size > size) {  // the tail stays free
      auto* rest = reinterpret_cast<FreeBlock*>(reinterpret_cast<char*>(block) + size);
      *rest = {block->next, block->size - size};
      *link = rest;
    } else {
      *link = block->next;
    }
    return block;
  }
  return TakePages(size);
}

// A block of a power of two, aligned to it, off the page that small blocks of all sizes are cut
// from: a new process has few of each, and each page that it touches costs a fault.
void* CutSmall(std::size_t size) {
  for (;;) {
    if (small_next == small_end) {
      small_next = static_cast<char*>(AllocateLarge(kPage));
      small_end = small_next ? small_next + kPage : nullptr;
      if (!small_next) {
        return nullptr;
      }
    }
    char* block = small_next;
    // The largest block that may begin here. The page's end is aligned, so it is within the page.
    const auto at = reinterpret_cast<std::uintptr_t>(block) | kPage;
    const std::size_t largest = at & ~(at - 1);
    if (largest >= size) {
      small_next += size;
      return block;
    }
    small_next += largest;
    Free(block, largest);
  }
}

}  // namespace

void* Allocate(std::size_t size) {
  if (size > kPage) {
    return AllocateLarge(RoundToPages(size));
  }
  const std::size_t index = ClassOf(size);
  if (!small_free[index]) {
    return CutSmall(kSmallest << index);
  }
  FreeBlock* block = small_free[index];
  small_free[index] = block->next;
  return block;
}

void Free(void* block, std::size_t size) {
  if (!block) {
    return;
  }
  auto* free_block = static_cast<FreeBlock*>(block);
  if (size > kPage) {
    *free_block = {large_free, RoundToPages(size)};
    large_free = free_block;
    return;
  }
  const std::size_t index = ClassOf(size);
  free_block->next = small_free[index];
  small_free[index] = free_block;
}

}  // namespace k42::personality
