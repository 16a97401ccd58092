// BufferIn and BufferOut: bytes that a call reads from, or writes to, its caller.
//
// The caller is either kernel code (a plain pointer) or user space (an address nobody has checked,
// in the address space that is current during the call). One bit tells which, so that one
// implementation of Read or Write serves both; nobody ever dereferences a user address directly.
//
// Two words, passed in two registers. Nothing is checked at construction: an access outside the
// buffer is kOutOfRange, an unreadable user address kBadAddress. The bytes of a user buffer may
// change between two accesses: copy once, then check the copy. A copy from user space may fault and
// wait: no spin lock may be held (user_copy asserts it).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/result.h"
#include "base/status.h"
#include "machine/user_copy.h"

namespace k42 {

// What both directions share: where the bytes are.
class Buffer {
 public:
  constexpr std::size_t size() const { return word_ & ~kUserBit; }
  constexpr bool empty() const { return size() == 0; }
  constexpr bool is_user() const { return (word_ & kUserBit) != 0; }
  constexpr std::uint64_t address() const { return address_; }
  constexpr bool Covers(std::size_t offset, std::size_t count) const {
    return offset <= size() && count <= size() - offset;
  }

 protected:
  constexpr Buffer() = default;
  constexpr Buffer(std::uint64_t address, std::size_t size, bool user)
      : address_(address), word_(size | (user ? kUserBit : 0)) {}

  static constexpr std::uint64_t kUserBit = std::uint64_t{1} << 63;
  std::uint64_t address_ = 0;
  std::uint64_t word_ = 0;  // size, and kUserBit
};

class BufferIn : public Buffer {
 public:
  constexpr BufferIn() = default;
  static BufferIn Kernel(const void* from, std::size_t size) {
    return {reinterpret_cast<std::uint64_t>(from), size, false};
  }
  static constexpr BufferIn User(std::uint64_t address, std::size_t size) {
    return {address, size, true};
  }

  Status CopyTo(void* to, std::size_t offset, std::size_t count) const {
    if (!Covers(offset, count))
      return Status::kOutOfRange;
    if (is_user())
      return machine::CopyIn(to, address_ + offset, count);
    if (count != 0)
      std::memcpy(to, reinterpret_cast<const void*>(address_ + offset), count);
    return Status::kOk;
  }
  // The whole buffer must be one T.
  template <typename T>
  Result<T> As() const {
    T value{};
    if (size() != sizeof(T))
      return Status::kInvalidArgument;
    TRY(CopyTo(&value, 0, sizeof(T)));
    return value;
  }
  // Precondition: Covers(offset, count).
  constexpr BufferIn Part(std::size_t offset, std::size_t count) const {
    return {address_ + offset, count, is_user()};
  }

 private:
  constexpr BufferIn(std::uint64_t address, std::size_t size, bool user)
      : Buffer(address, size, user) {}
};

class BufferOut : public Buffer {
 public:
  constexpr BufferOut() = default;
  static BufferOut Kernel(void* to, std::size_t size) {
    return {reinterpret_cast<std::uint64_t>(to), size, false};
  }
  static constexpr BufferOut User(std::uint64_t address, std::size_t size) {
    return {address, size, true};
  }

  Status CopyFrom(const void* from, std::size_t offset, std::size_t count) const {
    if (!Covers(offset, count))
      return Status::kOutOfRange;
    if (is_user())
      return machine::CopyOut(address_ + offset, from, count);
    if (count != 0)
      std::memcpy(reinterpret_cast<void*>(address_ + offset), from, count);
    return Status::kOk;
  }
  // Precondition: Covers(offset, count).
  constexpr BufferOut Part(std::size_t offset, std::size_t count) const {
    return {address_ + offset, count, is_user()};
  }

 private:
  constexpr BufferOut(std::uint64_t address, std::size_t size, bool user)
      : Buffer(address, size, user) {}
};

static_assert(sizeof(BufferIn) == 16 && sizeof(BufferOut) == 16);

}  // namespace k42
