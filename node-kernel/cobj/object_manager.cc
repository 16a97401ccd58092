#include "cobj/object_manager.h"

#include "cobj/instance.h"
#include "cobj/object_system.h"
#include "trace/trace.h"

namespace k42::cobj {

ObjectManager::ObjectManager(ObjectTable& table, Grace& grace, Allocator& allocator)
    : table_(table), grace_(grace), allocator_(allocator) {
  wait_.manager = this;
  wait_.done = [](GraceWait* wait) { static_cast<IdWait*>(wait)->manager->IdsAreFree(); };
}

ObjectManager& ObjectManager::Here() {
  return node_objects->manager_here();
}

Result<std::uint32_t> ObjectManager::Reserve(Root& root) {
  root.SetBits(TRY(table_.Allocate()));
  Count(made_);
  trace::Log(trace::kObjectMake, root.bits(), reinterpret_cast<std::uintptr_t>(&root));
  return root.bits();
}

void ObjectManager::CountDestroyed() {
  Count(destroyed_);
  machine::Thread::Current()->context().destroyed = true;
}

Status ObjectManager::Destroy(std::uint32_t object) {
  MissGate& gate = table_.gate(object);
  MissGate::Closed closed{};
  do {
    // Counted inside while we ask it: somebody else may be destroying it.
    Root* present = gate.Enter();
    if (present == nullptr)
      return Status::kDeleted;
    const bool deferred = present->DeferDestroy();
    gate.Leave();
    if (deferred)
      return Status::kOk;
    closed = gate.Close(present);
  } while (closed.root == nullptr);  // a swap began or ended in between
  CountDestroyed();
  trace::Log(trace::kObjectDestroy, object);
  Root* root = closed.root;
  root->departure().home = machine::CurrentCpu();
  root->departure().to_visit = root->Close();
  const bool only_here = (root->departure().to_visit - CpuSet::Of(root->departure().home)).empty();
  if (only_here && closed.nobody) {
    ThisCpuSlot(object).Reset();
    WaitAndDispose(root, true);
    return Status::kOk;
  }
  NextVisit(root);
  return Status::kOk;
}

void ObjectManager::NextVisit(Root* root) {
  if (root->departure().to_visit.empty()) {
    Here().WaitAndDispose(root, false);
    return;
  }
  const machine::CpuId cpu = root->departure().to_visit.First();
  root->departure().to_visit.Remove(cpu);
  root->departure().visit.root = root;
  root->departure().visit.handler = [](machine::CpuMessage* message) {
    Root* visiting = static_cast<Root::Departure::Visit*>(message)->root;
    ThisCpuSlot(visiting->bits()).Reset();
    Visited(visiting);
  };
  machine::Send(cpu, &root->departure().visit);
}

// On to the next CPU, or back home.
void ObjectManager::Visited(Root* root) {
  if (!root->departure().to_visit.empty()) {
    NextVisit(root);
    return;
  }
  root->departure().visit.handler = [](machine::CpuMessage* message) {
    Here().WaitAndDispose(static_cast<Root::Departure::Visit*>(message)->root, false);
  };
  machine::Send(root->departure().home, &root->departure().visit);
}

void ObjectManager::WaitAndDispose(Root* root, bool local) {
  root->departure().wait.root = root;
  root->departure().wait.done = [](GraceWait* wait) {
    Here().Dispose(static_cast<Root::Departure::Wait*>(wait)->root);
  };
  if (local) {
    Count(local_);
    grace_.AfterLocal(&root->departure().wait);
  } else {
    grace_.AfterGlobal(&root->departure().wait);
  }
}

Status ObjectManager::Retire(Root& root) {
  root.SetBits(0);   // the id lives on
  CountDestroyed();  // so that everything has gone when as many have been disposed of
  root.departure().home = machine::CurrentCpu();
  WaitAndDispose(&root, false);
  return Status::kOk;
}

void ObjectManager::Dispose(Root* root) {
  const RefBits bits = root->bits();
  if (root->instance() != nullptr)
    InstanceList::Gone(*root->instance(), allocator_);
  DisposeOf(root, allocator_);
  Count(disposed_);
  if (bits != 0)
    CollectId(bits);
}

void ObjectManager::CollectId(RefBits bits) {
  table_.link(bits) = collected_;
  collected_ = IndexOfBits(bits);
  if (++collected_count_ >= kIdBatch)
    StartIdWait();
}

Status ObjectManager::FlushIds() {
  StartIdWait();
  return Status::kOk;
}

void ObjectManager::StartIdWait() {
  if (in_grace_ != ObjectTable::kNoIndex || collected_ == ObjectTable::kNoIndex)
    return;
  in_grace_ = collected_;
  collected_ = ObjectTable::kNoIndex;
  collected_count_ = 0;
  grace_.AfterGlobal(&wait_);
}

void ObjectManager::IdsAreFree() {
  std::uint32_t index = in_grace_;
  in_grace_ = ObjectTable::kNoIndex;
  while (index != ObjectTable::kNoIndex) {
    const RefBits bits = BitsOfIndex(index);
    index = table_.link(bits);
    const IdHolds::Next next = table_.holds(bits).AfterGrace();
    if (next == IdHolds::Next::kAgain)
      CollectId(bits);
    if (next != IdHolds::Next::kFree)
      continue;
    table_.Free(bits);
    Count(recycled_);
  }
  if (collected_count_ >= kIdBatch)
    StartIdWait();
}

Status ObjectManager::Counts(ObjectCounts& counts) {
  const auto read = [](const Counter& count) { return count.load(std::memory_order_relaxed); };
  counts = {read(made_),     read(destroyed_), read(local_),
            read(disposed_), read(recycled_),  read(misses_)};
  return Status::kOk;
}

}  // namespace k42::cobj
