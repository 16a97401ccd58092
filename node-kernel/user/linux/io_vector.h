// An iovec array from the program, checked: at most 1024 pieces whose sizes add up to a transfer.
#pragma once

#include <cstdint>

#include "user/linux/abi_errno.h"
#include "user/linux/abi_files.h"
#include "user/linux/heap.h"
#include "user/linux/user_memory.h"

namespace k42::personality {

class IoVector {
 public:
  IoVector() = default;
  IoVector(const IoVector&) = delete;
  IoVector& operator=(const IoVector&) = delete;
  ~IoVector() {
    if (pieces_ != inline_) {
      Free(pieces_, count_ * sizeof(LinuxIovec));
    }
  }

  // 0, -EINVAL, -EFAULT, -ENOMEM.
  std::int64_t Load(std::uint64_t address, std::uint64_t count) {
    if (count > kIovMax) {
      return -kEINVAL;
    }
    if (count > kInline) {
      auto* pieces = static_cast<LinuxIovec*>(Allocate(count * sizeof(LinuxIovec)));
      if (!pieces) {
        return -kENOMEM;
      }
      pieces_ = pieces;
    }
    count_ = count;
    if (!CopyIn(pieces_, address, count * sizeof(LinuxIovec))) {
      return -kEFAULT;
    }
    for (std::uint64_t i = 0; i < count; ++i) {
      if (static_cast<std::int64_t>(pieces_[i].size) < 0) {
        return -kEINVAL;
      }
      const std::uint64_t room = kMaxTransfer - total_;
      if (pieces_[i].size > room) {
        pieces_[i].size = room;
      }
      total_ += pieces_[i].size;
    }
    return 0;
  }

  std::uint64_t count() const { return count_; }
  std::uint64_t total() const { return total_; }
  const LinuxIovec& operator[](std::uint64_t index) const { return pieces_[index]; }

 private:
  static constexpr std::uint64_t kInline = 8;
  LinuxIovec inline_[kInline];
  LinuxIovec* pieces_ = inline_;
  std::uint64_t count_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace k42::personality
