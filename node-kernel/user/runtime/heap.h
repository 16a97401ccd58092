// Memory for native programs: powers of two up to a page off free lists, larger blocks mapped one
// by one and unmapped when they are freed. One dispatcher's.
#pragma once

#include <cstddef>

#include "base/allocator.h"

namespace k42::runtime {

class Heap final : public Allocator {
 public:
  constexpr Heap() = default;
  // Aligned to its size rounded up to a power of two, at most a page.
  void* Allocate(std::size_t size, std::size_t align) override;
  void Free(void* block, std::size_t size) override;

 private:
  static constexpr std::size_t kSmallest = 16;
  static constexpr std::size_t kClasses = 9;  // 16 .. 4096
  struct FreeBlock {
    FreeBlock* next;
  };
  static std::size_t ClassOf(std::size_t size);
  bool Refill();

  FreeBlock* free_[kClasses] = {};
  // What is left of the last chunk: whole pages.
  std::byte* next_ = nullptr;
  std::byte* end_ = nullptr;
};

}  // namespace k42::runtime
