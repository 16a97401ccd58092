// Allocator: where a layer that lies below the heap gets its memory from. boot/ hands in the
// kernel's heap, tests hand in one that counts and poisons.
#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include "base/result.h"

namespace k42 {

class Allocator {
 public:
  // Null when there is no memory. `align` is a power of two.
  virtual void* Allocate(std::size_t size, std::size_t align) = 0;
  // `size` is what was asked for: no block carries a header.
  virtual void Free(void* block, std::size_t size) = 0;
  // A *strictly local* block: only the allocating CPU writes it and frees it, so it may share cache
  // lines with other such blocks of this CPU, and with no others.
  virtual void* AllocateLocal(std::size_t size, std::size_t align) { return Allocate(size, align); }

  template <typename T, typename... Arguments>
  Result<T*> Make(Arguments&&... arguments) {
    return Construct<T>(Allocate(sizeof(T), alignof(T)), std::forward<Arguments>(arguments)...);
  }
  // T must be the object's own class, not a base of it.
  template <typename T>
  void Destroy(T* object) {
    static_assert(std::is_final_v<T> || !std::is_polymorphic_v<T>, "size would be a base's");
    object->~T();
    Free(object, sizeof(T));
  }

 protected:
  ~Allocator() = default;

 private:
  template <typename T, typename... Arguments>
  static Result<T*> Construct(void* block, Arguments&&... arguments) {
    if (block == nullptr)
      return Status::kNoMemory;
    return ::new (block) T(std::forward<Arguments>(arguments)...);
  }
};

}  // namespace k42
