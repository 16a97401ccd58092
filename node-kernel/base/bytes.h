// Spans of bytes: the kernel's way to hand memory around. Nothing here allocates or owns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "base/result.h"

namespace k42 {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline Bytes AsBytes(const void* data, std::size_t size) {
  return Bytes(static_cast<const std::byte*>(data), size);
}
inline MutableBytes AsMutableBytes(void* data, std::size_t size) {
  return MutableBytes(static_cast<std::byte*>(data), size);
}
// The bytes of one trivially copyable object.
template <typename T>
requires std::is_trivially_copyable_v<T> Bytes BytesOf(const T& object) {
  return AsBytes(&object, sizeof(T));
}

// Copies all of `from` to the front of `to`; kOutOfRange, and nothing copied, if it does not fit.
inline Status CopyBytes(MutableBytes to, Bytes from) {
  if (from.size() > to.size()) {
    return Status::kOutOfRange;
  }
  if (!from.empty()) {
    std::memcpy(to.data(), from.data(), from.size());
  }
  return Status::kOk;
}

// [offset, offset + size) of a span from outside; kOutOfRange instead of undefined behaviour.
inline Result<Bytes> Slice(Bytes bytes, std::size_t offset, std::size_t size) {
  if (offset > bytes.size() || size > bytes.size() - offset) {
    return Status::kOutOfRange;
  }
  return bytes.subspan(offset, size);
}

// A T read from unaligned bytes at an offset.
template <typename T>
requires std::is_trivially_copyable_v<T> Result<T> ReadAt(Bytes bytes, std::size_t offset) {
  const Bytes slice = TRY(Slice(bytes, offset, sizeof(T)));
  T value;
  std::memcpy(&value, slice.data(), sizeof(T));
  return value;
}

}  // namespace k42
