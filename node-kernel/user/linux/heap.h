// The personality's memory: sizes up to a page from power-of-two classes with free lists, larger
// blocks in whole pages. Memory comes from the kernel in chunks above the image, and when there is
// no more from the start of the personality's part of the address space, and is never given back (a
// process's personality needs little; fork copies it).
//
// Free takes the size, so blocks carry no header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace k42::personality {

void* Allocate(std::size_t size);  // 16-byte aligned (64 from 64 bytes on); null: no memory
void Free(void* block, std::size_t size);

template <typename T, typename... Args>
T* New(Args&&... args) {
  void* memory = Allocate(sizeof(T));
  return memory ? new (memory) T{std::forward<Args>(args)...} : nullptr;
}

template <typename T>
void Delete(T* object) {
  if (object) {
    object->~T();
    Free(object, sizeof(T));
  }
}

// A byte buffer that lives for a scope: path names, message vectors.
class Buffer {
 public:
  explicit Buffer(std::size_t size)
      : data_(static_cast<char*>(Allocate(size ? size : 1))), size_(size ? size : 1) {}
  ~Buffer() { Free(data_, size_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  explicit operator bool() const { return data_ != nullptr; }
  char* data() { return data_; }
  std::size_t size() const { return size_; }
  template <typename T>
  T* As() {
    return reinterpret_cast<T*>(data_);
  }

 private:
  char* data_;
  std::size_t size_;
};

}  // namespace k42::personality
