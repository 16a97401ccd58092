// Destruction: how an object goes, while other threads may still be calling it.
//
//   1. The gate is closed: misses answer kDeleted. The root is closed: no slot is filled any more.
//   2. A message visits each CPU of the translation set, which empties its slot, and returns home.
//   3. A grace period: whoever took a rep from a slot, or passed the gate, has ended. It is a local
//      one, without any message, if only this CPU ever used the object and nobody was inside the
//      gate.
//   4. The root disposes of its reps and itself.
//   5. The id waits, in a batch with others, for a further global grace period: a thread anywhere
//   may
//      still have the reference on its stack, and its call must answer kDeleted, not reach a new
//      object.
//
// Each step runs on the CPU that destroyed the object (its home), on the event loop.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/allocator.h"
#include "cobj/grace.h"
#include "cobj/object_table.h"
#include "cobj/root.h"

namespace k42::cobj {

class Destruction {
 public:
  constexpr Destruction(ObjectTable& table, Grace& grace) : table_(table), grace_(grace) {}

  void SetAllocator(Allocator& allocator) { allocator_ = &allocator; }
  void AddCpu(machine::CpuId cpu);

  // kDeleted if the object was destroyed before.
  Status Destroy(RefBits bits);

  // A root that lost its id to another (hot swap): step 3 and 4 for it alone.
  void Retire(Root* root);

  // Starts the wait for this CPU's ids even if they make no full batch.
  void FlushIds();

  struct Counts {
    std::uint64_t destroyed;  // objects
    std::uint64_t local;      // of them, those that went without a message
    std::uint64_t disposed;   // roots: objects destroyed, and roots retired
    std::uint64_t recycled;   // ids
  };
  Counts counts() const;

  // As many destroyed ids as start a global grace period for their sake.
  static constexpr std::uint32_t kIdBatch = 32;

 private:
  struct IdWait : GraceWait {
    Destruction* destruction = nullptr;
  };
  struct alignas(64) PerCpu {
    std::uint32_t collected = ObjectTable::kNoIndex;  // ids that wait for a batch
    std::uint32_t collected_count = 0;
    std::uint32_t in_grace = ObjectTable::kNoIndex;  // ids whose wait is running
    IdWait wait;
  };

  void NextVisit(Root* root);
  void Visited(Root* root);
  void WaitAndDispose(Root* root, bool local);
  void Dispose(Root* root);
  void CollectId(RefBits bits);
  void StartIdWait(PerCpu& cpu);
  void IdsAreFree();

  ObjectTable& table_;
  Grace& grace_;
  Allocator* allocator_ = nullptr;
  PerCpu cpus_[machine::kMaxCpus];
  std::atomic<std::uint64_t> destroyed_{0}, local_{0}, disposed_{0}, recycled_{0};
};

}  // namespace k42::cobj
