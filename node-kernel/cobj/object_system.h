// ObjectSystem: the clustered objects of one node: table, grace, and the manager, an object itself.
// boot/ owns the one instance, a hosted test makes its own; Start makes it the node's.
//
// Using it (cobj/make.h):   Ref<ICounter> counter = TRY(MakeShared<SharedCounter>());
//                           TRY(counter->Increment(1));
//                           TRY(Destroy(counter));
//
// Start order: Start (allocator ready), then AddCpu for each CPU on any CPU before that one calls
// an object, then the activity hooks.
#pragma once

#include <cstdint>

#include "base/allocator.h"
#include "base/result.h"
#include "cobj/grace.h"
#include "cobj/object_manager.h"
#include "cobj/object_table.h"
#include "cobj/ref.h"
#include "cobj/root.h"
#include "machine/thread.h"

namespace k42::cobj {

class ObjectSystem {
 public:
  constexpr ObjectSystem() = default;
  ObjectSystem(const ObjectSystem&) = delete;
  ObjectSystem& operator=(const ObjectSystem&) = delete;

  void Start(Allocator& allocator);
  Status AddCpu(machine::CpuId cpu);

  Allocator& allocator() { return *allocator_; }
  ObjectTable& table() { return table_; }
  const ObjectTable& table() const { return table_; }
  Grace& grace() { return grace_; }
  const Grace& grace() const { return grace_; }

  // The manager's rep for this CPU, through its slot as any call. Not by Ref: that forbids blocking
  // locks, and the manager alone may be called under them.
  IObjectManager* manager() const {
    return static_cast<IObjectManager*>(machine::LoadSlot(manager_root_.bits()));
  }
  ObjectManager& manager_here() const { return *manager_root_.rep(machine::CurrentCpu()); }

  // An id for `root`, not yet callable; then callable.
  Result<RefBits> Reserve(Root& root) { return manager()->Reserve(root); }
  void Publish(Root& root) { table_.gate(root.bits()).Open(&root); }
  void Unreserve(Root& root);  // instead of Publish

  Status Destroy(RefBits bits) { return manager()->Destroy(bits); }
  void Retire(Root& root) { (void)manager()->Retire(root); }
  void FlushIds() { (void)manager()->FlushIds(); }

  // Of all CPUs together.
  ObjectCounts counts() const;

  struct MissAnswer {
    void* object;  // null: the call ends with `status`
    Status status;
  };
  MissAnswer OnMiss(RefBits bits, std::uint32_t method);

 private:
  Allocator* allocator_ = nullptr;
  ObjectTable table_;
  Grace grace_;
  ObjectManagerRoot manager_root_;
};

// The node's; set by Start. A pointer, because hosted tests start several one after the other.
extern constinit ObjectSystem* node_objects;

// Hooks for machine::SetActivityHooks.
inline void ActivateThread(machine::ThreadContext& context) {
  node_objects->grace().Activate(context);
}
inline void DeactivateThread(machine::ThreadContext& context) {
  node_objects->grace().Deactivate(context);
}

// Waits until what was destroyed on this CPU has mostly gone, if there is much of it. The caller
// holds no lock, and no pointer to a rep, and nobody else's work waits for this thread: not the one
// that takes in messages, nor one of a pool.
void HoldBackSlow();
inline void HoldBack() {
  if (node_objects->manager_here().behind()) [[unlikely]]
    HoldBackSlow();
}
// The same for a thread that has destroyed something; the others are not to blame. The end of every
// call of user space is such a place.
inline void HoldBackIfDestroyed() {
  machine::ThreadContext& context = machine::Thread::Current()->context();
  if (!context.destroyed) [[likely]]
    return;
  context.destroyed = false;
  HoldBack();
}

// The calling thread holds no pointer to a rep now, and no lock. A thread that finds work again and
// again must say so between two pieces, or no grace period ends while it is busy: swaps and
// destructions wait. Does not wait itself.
inline void QuietPoint() {
  machine::ThreadContext& context = machine::Thread::Current()->context();
  DeactivateThread(context);
  ActivateThread(context);
}

}  // namespace k42::cobj
