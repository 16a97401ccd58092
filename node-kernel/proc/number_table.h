// NumberTable: the numbers of tasks and threads, one space for both. Each CPU gives numbers out in
// ascending order, from a turn of kTurn at a time, and turns come round at limit(): so that a
// number is not reused soon, and CPUs whose processes come and go write no line of each other's.
// The limit doubles when half of the numbers below it are in use, up to kMax.
//
// States of a number: free -> reserved (Reserve) -> of a task or thread (Publish) -> free (Free;
// a reserved one, too). Only published ones are found.
//
// No lock is needed to find or walk, nor to reserve a number of the CPU's own turn: a chunk's words
// are atomics, and a chunk, once made, stays. lock_ is taken when a turn begins or ends, and when a
// chunk becomes full or empty or ceases to be: what is said of all chunks (full_, occupied_) is
// made to say then what the chunk's own word does, under the lock, by whoever changed that word. So
// the last to come sees the last state. The chunk of a CPU's turn stays occupied while it is empty.
//
// What a slot points to is the task table's business: whoever finds a task there may use it until
// the grace period after its release.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

#include "base/allocator.h"
#include "base/result.h"
#include "machine/cpu.h"
#include "machine/spin_lock.h"

namespace k42::proc {

class Task;

class NumberTable {
 public:
  static constexpr std::uint32_t kMax = 1u << 18;
  static constexpr std::uint32_t kFirstLimit = 1u << 15;  // Linux's with few CPUs
  static constexpr std::uint32_t kFirst = 1;
  static constexpr std::uint32_t kTurn = 32;
  static constexpr std::uint32_t kKept = 4096;  // for user 0

  struct Slot {
    Task* task = nullptr;    // null: nobody's
    bool is_thread = false;  // a thread of `task`; else the task itself
    bool operator==(const Slot&) const = default;
  };

  explicit NumberTable(Allocator& allocator) : allocator_(allocator) {}
  ~NumberTable();
  NumberTable(const NumberTable&) = delete;
  NumberTable& operator=(const NumberTable&) = delete;

  // A number that nobody finds yet. kLimitExceeded: all are in use. kNoMemory. Thread context.
  Result<std::uint32_t> Reserve();
  void Publish(std::uint32_t number, Task* task, bool is_thread);
  // Published -> reserved.
  void Withdraw(std::uint32_t number);
  void Free(std::uint32_t number);
  // Fewer are left than user 0 may want.
  bool IsScarce() const;
  // The first number stays free until the numbers come round.
  void PassFirst();
  Slot Find(std::uint32_t number) const;
  // The first published number above `after`; 0 if none. One that comes or goes meanwhile may be
  // seen or not.
  std::uint32_t Next(std::uint32_t after, bool is_thread) const;
  // All numbers are below it.
  std::uint32_t limit() const { return limit_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::uint32_t kChunk = kTurn;
  static constexpr std::uint32_t kChunks = kMax / kChunk;
  static constexpr std::uint32_t kFull = ~0u;
  struct alignas(64) Chunk {
    std::atomic<std::uintptr_t> slots[kChunk] = {};  // task, kThread; 0: free or reserved
    std::atomic<std::uint32_t> used{0};              // bits: reserved or published
    std::atomic<std::uint32_t> threads{0};           // bits: published for threads
    std::atomic<std::uint32_t> turns{0};             // CPUs that have it; changed under lock_
  };
  static constexpr std::uintptr_t kThread = 1;
  using Word = std::atomic<std::uint64_t>;
  static constexpr std::uint32_t kWords = kChunks / 64;

  // Number 0 is never free.
  static constexpr std::uint32_t Empty(std::uint32_t index) { return index == 0 ? 1 : 0; }
  static void Assign(Word* words, std::uint32_t index, bool set);
  // A number of that chunk, not below `from`; 0: none.
  std::uint32_t TakeFrom(std::uint32_t index, std::uint32_t from);
  Status BeginTurn();
  void EndTurn();
  // Where the next turn begins; 0: no number is free.
  std::uint32_t PlaceOfTurn() K42_REQUIRES(lock_);
  std::uint32_t used() const;
  void GrowIfHalfUsed();
  // The chunk's state may have changed as others see it.
  void Settle(std::uint32_t index);
  void SettleLocked(std::uint32_t index) K42_REQUIRES(lock_);
  Result<Chunk*> ChunkAt(std::uint32_t index);

  struct alignas(64) Turn {
    std::uint32_t next = 0;   // number; the turn's chunk is that of the number before it
    bool is_running = false;  // there is a turn
    std::atomic<std::uint32_t> taken{0};
    std::atomic<std::uint32_t> freed{0};
  };
  Allocator& allocator_;
  std::atomic<std::uint32_t> limit_{kFirstLimit};
  Turn turns_[machine::kMaxCpus];
  std::atomic<Chunk*> chunks_[kChunks] = {};
  alignas(64) machine::SpinLock<LockRank::kTasks> lock_;
  std::uint32_t begin_ K42_GUARDED_BY(lock_) = kFirst;  // of the next turn
  // Changed under the lock, read without it, too.
  Word occupied_[kWords] = {};  // chunks that may have a number in use
  Word full_[kWords] = {};      // chunks without a free number
};

}  // namespace k42::proc
