// Several pieces of the program's memory as one, in a buffer of ours: a message must go out as one,
// and come in as one. A single piece is used where it is.
#pragma once

#include "user/linux/heap.h"
#include "user/linux/io_vector.h"
#include "user/linux/user_memory.h"

namespace k42::personality {

class Gathered {
 public:
  Gathered(const IoVector& pieces, std::uint64_t limit)
      : pieces_(pieces), buffer_(pieces.count() == 1 ? 0 : Size(pieces, limit)) {}

  bool ok() const { return static_cast<bool>(buffer_); }
  std::uint64_t address() {
    return pieces_.count() == 1 ? pieces_[0].base : reinterpret_cast<std::uint64_t>(buffer_.data());
  }
  std::uint64_t size() const {
    return pieces_.count() == 1 ? pieces_[0].size : Size(pieces_, buffer_.size());
  }

  bool Gather() {
    std::uint64_t at = 0;
    for (std::uint64_t i = 0; pieces_.count() != 1 && i < pieces_.count() && at < size(); ++i) {
      const std::uint64_t part = Part(i, at);
      if (!CopyIn(buffer_.data() + at, pieces_[i].base, part)) {
        return false;
      }
      at += part;
    }
    return true;
  }
  bool Scatter(std::uint64_t bytes) {
    std::uint64_t at = 0;
    for (std::uint64_t i = 0; pieces_.count() != 1 && i < pieces_.count() && at < bytes; ++i) {
      std::uint64_t part = Part(i, at);
      part = part < bytes - at ? part : bytes - at;
      if (!CopyOut(pieces_[i].base, buffer_.data() + at, part)) {
        return false;
      }
      at += part;
    }
    return true;
  }

 private:
  static std::uint64_t Size(const IoVector& pieces, std::uint64_t limit) {
    return pieces.total() < limit ? pieces.total() : limit;
  }
  std::uint64_t Part(std::uint64_t index, std::uint64_t at) const {
    const std::uint64_t left = size() - at;
    return pieces_[index].size < left ? pieces_[index].size : left;
  }
  const IoVector& pieces_;
  Buffer buffer_;
};
inline constexpr std::uint64_t kGatherMax = 1u << 20;

}  // namespace k42::personality
