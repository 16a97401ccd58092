// NumberTable: the numbers of tasks and threads, one space for both. Each CPU gives numbers out in
// ascending order, from a turn of kTurn at a time, and turns come round at limit(): so that a
// number is not reused soon, and CPUs whose processes come and go seldom write the same chunk. The
// limit doubles when half of the numbers below it are in use, up to kMax. Plain data under the task
// table's lock; a chunk of slots is allocated when its first number is needed. Bitmaps say which
// numbers are used, since each end of a process walks them several times, and which chunks have
// none left. Those over all chunks are everybody's: so the chunk of a CPU's turn stays marked there
// while it is empty.
#pragma once

#include <cstdint>

#include "base/allocator.h"
#include "base/bitmap.h"
#include "base/result.h"
#include "machine/cpu.h"

namespace k42::proc {

class Task;

class NumberTable {
 public:
  static constexpr std::uint32_t kMax = 1u << 18;
  static constexpr std::uint32_t kFirstLimit = 1u << 15;  // Linux's with few CPUs
  static constexpr std::uint32_t kFirst = 1;
  static constexpr std::uint32_t kTurn = 32;

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
  static constexpr std::uint32_t kChunk = kTurn;
  static constexpr std::uint32_t kChunks = kMax / kChunk;
  enum Kind : std::uint32_t { kTask, kThread, kKinds };
  static Kind KindOf(bool is_thread) { return is_thread ? kThread : kTask; }
  struct alignas(64) Chunk {
    Slot slots[kChunk];
    Bitmap<kChunk> used[kKinds];
    std::uint32_t count = 0;
  };
  // Walks need not come to a chunk that nobody is in.
  void ClearIfEmpty(std::uint32_t index);
  // The first chunk at or after `from`, coming round at the limit, that has a free number.
  std::uint32_t ChunkWithRoom(std::uint32_t from) const;

  // Puts the task there: the chunk is there, the number is free.
  std::uint32_t PutAt(std::uint32_t number, Task* task, bool is_thread);

  // What each Take and Free writes lies together, next to the table's lock.
  std::uint32_t used_ = 0;
  std::uint32_t last_ = 0;  // of the last turn
  std::uint32_t limit_ = kFirstLimit;
  Allocator& allocator_;
  struct Turn {
    std::uint32_t next = 0;        // the first of a turn: the CPU's last one is over
    unsigned char apart[60] = {};  // no two CPUs' words in a line
  } turns_[machine::kMaxCpus];
  Chunk* chunks_[kChunks] = {};
  Bitmap<kChunks> occupied_[kKinds];  // chunks that may have a number of that kind
  Bitmap<kChunks> full_;              // chunks without a free number
};

}  // namespace k42::proc
