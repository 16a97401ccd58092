// RunQueue: the ready dispatchers of one CPU, in the order in which they shall run.
//
// One list per band, sorted by usage (equal usages: first come, first served). The running
// dispatcher is not in it. Pure policy over Entity; no clock, no locking: the CPU's own threads
// call it, one at a time.
#pragma once

#include <cstdint>

#include "base/intrusive_list.h"
#include "sched/cpu_account.h"
#include "sched/policy.h"

namespace k42::sched {

class Dispatcher;

// What the policy knows of a dispatcher, and an account of CPU time. In a protected call the
// server's code runs on the caller's time: then it is the caller's entity that waits in the queue.
struct Entity : ListLink<Entity> {
  Band band = Band::kNormal;
  std::uint32_t weight = kNormalWeight;
  std::uint64_t quantum_ns = kQuantum;
  Usage usage;
  Dispatcher* runs = nullptr;  // whose code runs or would run on this time; null: nobody's
  CpuAccount account;
};

class RunQueue {
 public:
  bool empty() const { return count_ == 0; }
  std::uint32_t count() const { return count_; }

  // Null if empty.
  Entity* First() const;
  // Precondition: not in any queue.
  void Insert(Entity* entity);
  // Precondition: in this queue.
  void Remove(Entity* entity);
  Entity* TakeFirst();

  // A dispatcher that was not here before starts level with the one that is first in its turn: it
  // must not make up for time when it did not exist.
  void StartLevel(Entity* entity, const Entity* running) const;

  // Should the first ready dispatcher get the CPU although `running` has not used up its quantum?
  bool Preempts(const Entity& running, std::uint64_t now_ns) const;
  // ... and when it has?
  bool HasCompetitor(const Entity& running) const;

 private:
  using List = IntrusiveList<Entity, Entity>;
  List& ListOf(Band band) { return bands_[static_cast<std::uint32_t>(band)]; }
  const List& ListOf(Band band) const { return bands_[static_cast<std::uint32_t>(band)]; }

  List bands_[kBands];
  std::uint32_t count_ = 0;
};

}  // namespace k42::sched
