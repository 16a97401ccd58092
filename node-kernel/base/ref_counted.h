// Counted references to plain (not clustered) kernel objects.
//
//   class Pipe : public RefCounted { void Dispose() override; };   // frees its memory
//   RefPtr<Pipe> pipe = RefPtr<Pipe>::Adopt(TRY(Pipe::Make()));
//
// An object is born with count 1, which Adopt takes over. Whoever drops the last reference runs
// Dispose: thread context, no lock of the object held. Result<T> must be trivially copyable, so
// functions return a plain pointer that carries one reference, and say so.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/assert.h"

namespace k42 {

class RefCounted {
 public:
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void AddReference() { count_.fetch_add(1, std::memory_order_relaxed); }
  // False if the object is already on its way out (found in a table that holds no reference).
  [[nodiscard]] bool TryAddReference() {
    std::uint32_t count = count_.load(std::memory_order_relaxed);
    while (count != 0) {
      if (count_.compare_exchange_weak(count, count + 1, std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }
  void DropReference() {
    const std::uint32_t before = count_.fetch_sub(1, std::memory_order_acq_rel);
    K42_DCHECK(before != 0, "dropped more often than added");
    if (before == 1) {
      Dispose();
    }
  }

 protected:
  RefCounted() = default;
  ~RefCounted() = default;
  virtual void Dispose() = 0;

 private:
  std::atomic<std::uint32_t> count_{1};
};

template <typename T>
class RefPtr {
 public:
  constexpr RefPtr() = default;
  constexpr RefPtr(std::nullptr_t) {}  // NOLINT
  // One more reference to an object that somebody else holds.
  explicit RefPtr(T* object) : object_(object) {
    if (object_ != nullptr) {
      object_->AddReference();
    }
  }
  // Takes over the reference that comes with `object`.
  static RefPtr Adopt(T* object) {
    RefPtr result;
    result.object_ = object;
    return result;
  }
  RefPtr(const RefPtr& other) : RefPtr(other.object_) {}
  RefPtr(RefPtr&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <typename U>
  requires requires(U* derived) { static_cast<T*>(derived); }
  RefPtr(RefPtr<U> other) : object_(other.Release()) {}  // NOLINT
  RefPtr& operator=(RefPtr other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~RefPtr() {
    if (object_ != nullptr) {
      object_->DropReference();
    }
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  bool operator==(const RefPtr&) const = default;
  // The reference passes to the caller.
  [[nodiscard]] T* Release() { return std::exchange(object_, nullptr); }

 private:
  T* object_ = nullptr;
};

}  // namespace k42
