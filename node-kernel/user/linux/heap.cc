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

}  // namespace

void* Allocate(std::size_t size) {
  if (size > kPage) {
    return AllocateLarge(RoundToPages(size));
  }
  const std::size_t index = ClassOf(size);
  if (!small_free[index]) {
    char* page = static_cast<char*>(AllocateLarge(kPage));
    if (!page) {
      return nullptr;
    }
    const std::size_t block_size = kSmallest << index;
    for (std::size_t offset = 0; offset < kPage; offset += block_size) {
      auto* block = reinterpret_cast<FreeBlock*>(page + offset);
      block->next = small_free[index];
      small_free[index] = block;
    }
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
