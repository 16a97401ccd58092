// The bytes of one fuzz input, taken from the front; zeroes after the end.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace k42 {

class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* data, std::size_t size)
      : left_(std::as_bytes(std::span(data, size))) {}

  bool empty() const { return left_.empty(); }
  std::span<const std::byte> rest() const { return left_; }
  std::span<const std::byte> TakeBytes(std::size_t most) {
    const auto taken = left_.first(std::min(most, left_.size()));
    left_ = left_.subspan(taken.size());
    return taken;
  }
  template <typename T>
  T Take() {
    T value{};
    const auto bytes = TakeBytes(sizeof value);
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }

 private:
  std::span<const std::byte> left_;
};

}  // namespace k42
