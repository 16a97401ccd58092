// NumberTable: the numbers of tasks and threads, one space for both. Numbers are given out in
// ascending order and come round at limit(), so that a number is not reused soon; the limit doubles
// when half of the numbers below it are in use, up to kMax. Plain data under the task table's lock;
// a chunk of slots is allocated when its first number is needed. Bitmaps say which numbers are
// used, since each end of a process walks them several times, and which chunks have none left.
#pragma once

#include <cstdint>

#include "base/allocator.h"
#include "base/bitmap.h"
#include "base/result.h"

namespace k42::proc {

class Task;

class NumberTable {
 public:
  static constexpr std::uint32_t kMax = 1u << 18;
  static constexpr std::uint32_t kFirstLimit = 1u << 15;  // Linux's with few CPUs
  static constexpr std::uint32_t kFirst = 1;

  struct Slot {
    Task* task = nullptr;    // null: free
    bool is_thread = false;  // a thread of `task`; else the task itself
  };

  explicit NumberTable(Allocator& allocator) : allocator_(allocator) {}
  ~NumberTable();
  NumberTable(const NumberTable&) = delete;
  NumberTable& operator=(const NumberTable&) = delete;

  // kLimitExceeded: all are in use. kNoMemory.
  Result<std::uint32_t> Take(Task* task, bool is_thread);
  // The first number stays free until the numbers come round.
  void PassFirst() { last_ = last_ < kFirst ? kFirst : last_; }
  void Free(std::uint32_t number);
  Slot Find(std::uint32_t number) const;
  // The first used number above `after`; 0 if none.
  std::uint32_t Next(std::uint32_t after, bool is_thread) const;
  std::uint32_t used() const { return used_; }
  // All numbers are below it.
  std::uint32_t limit() const { return limit_; }

 private:
  static constexpr std::uint32_t kChunk = 128;
  static constexpr std::uint32_t kChunks = kMax / kChunk;
  enum Kind : std::uint32_t { kTask, kThread, kKinds };
  static Kind KindOf(bool is_thread) { return is_thread ? kThread : kTask; }
  struct Chunk {
    Slot slots[kChunk];
    Bitmap<kChunk> used[kKinds];
    std::uint32_t count = 0;
  };
  // The first chunk at or after `from`, coming round at the limit, that has a free number.
  std::uint32_t ChunkWithRoom(std::uint32_t from) const;

  Allocator& allocator_;
  Chunk* chunks_[kChunks] = {};
  Bitmap<kChunks> occupied_[kKinds];  // chunks with a number of that kind
  Bitmap<kChunks> full_;              // chunks without a free number
  std::uint32_t limit_ = kFirstLimit;
  std::uint32_t last_ = 0;
  std::uint32_t used_ = 0;
};

}  // namespace k42::proc
