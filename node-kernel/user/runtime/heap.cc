#include "user/runtime/heap.h"

#include <bit>

#include "base/align.h"
#include "user/runtime/runtime.h"

namespace k42::runtime {

namespace {

constexpr std::size_t kPage = abi::kPageSize;
constexpr std::size_t kChunk = 1 << 20;

std::byte* MapMemory(std::size_t size) {
  proc::MapRequest request = {};
  request.length = size;
  request.protection = proc::kMapRead | proc::kMapWrite;
  request.flags = proc::kMapPrivate;
  const auto mapped = kProcess.Map(request, 0);
  return mapped.ok() ? reinterpret_cast<std::byte*>(mapped.value()) : nullptr;
}

}  // namespace

std::size_t Heap::ClassOf(std::size_t size) {
  return size <= kSmallest
             ? 0
             : static_cast<std::size_t>(std::bit_width(size - 1) - std::bit_width(kSmallest - 1));
}

bool Heap::Refill() {
  if (next_ != end_)
    return true;
  next_ = MapMemory(kChunk);
  end_ = next_ == nullptr ? nullptr : next_ + kChunk;
  return next_ != nullptr;
}

void* Heap::Allocate(std::size_t size, std::size_t align) {
  size = size < align ? align : size;
  if (size > kPage)
    return MapMemory(AlignUp(size, kPage));
  const std::size_t index = ClassOf(size);
  if (free_[index] == nullptr) {
    if (!Refill())
      return nullptr;
    const std::size_t block = kSmallest << index;
    std::byte* page = next_;
    next_ += kPage;
    for (std::size_t at = kPage; at != 0; at -= block) {
      auto* free = reinterpret_cast<FreeBlock*>(page + at - block);
      free->next = free_[index];
      free_[index] = free;
    }
  }
  FreeBlock* taken = free_[index];
  free_[index] = taken->next;
  return taken;
}

void Heap::Free(void* block, std::size_t size) {
  if (block == nullptr)
    return;
  if (size > kPage) {
    (void)kProcess.Unmap(reinterpret_cast<std::uint64_t>(block), AlignUp(size, kPage));
    return;
  }
  auto* free = static_cast<FreeBlock*>(block);
  free->next = free_[ClassOf(size)];
  free_[ClassOf(size)] = free;
}

}  // namespace k42::runtime
