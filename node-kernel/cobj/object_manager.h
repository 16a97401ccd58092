// ObjectManager: how objects come and go, while other threads may still be calling them. Itself a
// clustered object (object_manager.idl), made by hand before there are others; this is its rep.
//
// How an object goes:
//   1. The gate is closed: misses answer kDeleted. The root is closed: no slot is filled any more.
//   2. A message visits each CPU of the translation set, which empties its slot, and returns home.
//   3. A grace period: whoever took a rep from a slot, or passed the gate, has ended. It is a local
//      one, without any message, if only this CPU ever used the object and nobody was inside the
//      gate.
//   4. The root disposes of its reps and itself.
//   5. The id waits, in a batch with others, for a further global grace period: a thread anywhere
//      may still have the reference on its stack, and its call must answer kDeleted, not reach a
//      new object. So do handles: an id that is held waits for its last holder (id_holds.h).
//
// Each step runs on the CPU that destroyed the object (its home), on the event loop. A rep's state
// is its CPU's alone; the counts may be read from anywhere.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/allocator.h"
#include "cobj/grace.h"
#include "cobj/object_manager.idl.h"
#include "cobj/object_table.h"
#include "cobj/root.h"

namespace k42::cobj {

class alignas(64) ObjectManager final : public IObjectManager {
 public:
  ObjectManager(ObjectTable& table, Grace& grace, Allocator& allocator);

  Result<std::uint32_t> Reserve(Root& root) override;
  Status Destroy(std::uint32_t object) override;
  Status Retire(Root& root) override;
  Status FlushIds() override;
  Status Counts(ObjectCounts& counts) override;

  void CountMiss() { Count(misses_); }
  // The last holder of the id of a destroyed object has let go, on this CPU.
  void IdLeft(RefBits bits) { CollectId(bits); }

  // So many of the objects destroyed here are not gone yet that whoever destroys more should wait,
  // when it holds nothing, until they are (HoldBack): else objects come faster than their memory
  // returns, where the CPUs get too little time for the token to keep up.
  bool behind() const { return away() > kMostAway; }
  // Destroyed here, and not gone.
  std::uint64_t away() const {
    return destroyed_.load(std::memory_order_relaxed) - disposed_.load(std::memory_order_relaxed);
  }
  static constexpr std::uint64_t kMostAway = 1024;

  // As many destroyed ids as start a global grace period for their sake.
  static constexpr std::uint32_t kIdBatch = 128;

 private:
  using Counter = std::atomic<std::uint64_t>;
  struct IdWait : GraceWait {
    ObjectManager* manager = nullptr;
  };

  // One writer: no locked instruction, no line shared.
  static void Count(Counter& counter) {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  static ObjectManager& Here();
  void CountDestroyed();
  static void NextVisit(Root* root);
  static void Visited(Root* root);
  void WaitAndDispose(Root* root, bool local);
  void Dispose(Root* root);
  void CollectId(RefBits bits);
  void StartIdWait();
  void IdsAreFree();

  ObjectTable& table_;
  Grace& grace_;
  Allocator& allocator_;
  std::uint32_t collected_ = ObjectTable::kNoIndex;  // ids that wait for a batch
  std::uint32_t collected_count_ = 0;
  std::uint32_t in_grace_ = ObjectTable::kNoIndex;  // ids whose wait is running
  IdWait wait_;
  Counter made_{0}, destroyed_{0}, local_{0}, disposed_{0}, recycled_{0}, misses_{0};
};

// The manager's root: it is there before the allocator's objects are, and never goes.
class ObjectManagerRoot final : public Root {
 public:
  constexpr ObjectManagerRoot() = default;

  Status AddCpu(machine::CpuId cpu, ObjectTable& table, Grace& grace, Allocator& allocator) {
    reps_[cpu] = TRY(allocator.Make<ObjectManager>(table, grace, allocator));
    return Status::kOk;
  }
  // Null: the CPU takes no part yet.
  ObjectManager* rep(machine::CpuId cpu) const { return reps_[cpu]; }

  Result<void*> ObjectFor(machine::CpuId cpu) override {
    return static_cast<IObjectManager*>(reps_[cpu]);
  }
  void Dispose(Allocator&) override {}

 private:
  ObjectManager* reps_[machine::kMaxCpus] = {};
};

}  // namespace k42::cobj
