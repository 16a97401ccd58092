// NumberTable: the numbers of tasks and threads, one space for both. Numbers are given out in
// ascending order and come round at kMax, so that a number is not reused soon. Plain data under the
// task table's lock; a chunk of slots is allocated when its first number is needed. Bitmaps say
// which numbers are used, since each end of a process walks them several times.
#pragma once

#include <cstdint>

#include "base/allocator.h"
#include "base/bitmap.h"
#include "base/result.h"

namespace k42::proc {

class Task;

class NumberTable {
 public:
  static constexpr std::uint32_t kMax = 1u << 15;
  static constexpr std::uint32_t kFirst = 1;

  struct Slot {
    Task* task = nullptr;    // null: free
    bool is_thread = false;  // a thread of `task`; else the task itself
  };

  explicit NumberTable(Allocator& allocator) : allocator_(allocator) {}
  ~NumberTable();
  NumberTable(const NumberTable&) = delete;
  NumberTable& operator=(const NumberTable&) = delete;

  Result<std::uint32_t> Take(Task* task, bool is_thread);
  void Free(std::uint32_t number);
  Slot Find(std::uint32_t number) const;
  // The first used number above `after`; 0 if none.
  std::uint32_t Next(std::uint32_t after, bool is_thread) const;
  std::uint32_t used() const { return used_; }

 private:
  static constexpr std::uint32_t kChunk = 128;
  static constexpr std::uint32_t kChunks = kMax / kChunk;
  enum Kind : std::uint32_t { kTask, kThread, kKinds };
  static Kind KindOf(bool is_thread) { return is_thread ? kThread : kTask; }
  struct Chunk {
    Slot slots[kChunk];
    Bitmap<kChunk> used[kKinds];
  };

  Allocator& allocator_;
  Chunk* chunks_[kChunks] = {};
  Bitmap<kChunks> occupied_[kKinds];  // chunks with a number of that kind
  std::uint32_t last_ = 0;
  std::uint32_t used_ = 0;
};

}  // namespace k42::proc
