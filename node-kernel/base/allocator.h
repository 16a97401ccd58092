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

  template <typename T, typename... Arguments>
  Result<T*> Make(Arguments&&... arguments) {
    void* block = Allocate(sizeof(T), alignof(T));
    if (block == nullptr)
      return Status::kNoMemory;
    return ::new (block) T(std::forward<Arguments>(arguments)...);
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
};

}  // namespace k42
