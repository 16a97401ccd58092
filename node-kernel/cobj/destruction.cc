#include "cobj/destruction.h"

#include "cobj/instance.h"
#include "cobj/object_system.h"

namespace k42::cobj {

void Destruction::AddCpu(machine::CpuId cpu) {
  cpus_[cpu].wait.destruction = this;
  cpus_[cpu].wait.done = [](GraceWait* wait) {
    static_cast<IdWait*>(wait)->destruction->IdsAreFree();
  };
}

Status Destruction::Destroy(RefBits bits) {
  MissGate& gate = table_.gate(bits);
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
  destroyed_.fetch_add(1, std::memory_order_relaxed);
  Root* root = closed.root;
  root->departure().home = machine::CurrentCpu();
  root->departure().to_visit = root->Close();
  const bool only_here = (root->departure().to_visit - CpuSet::Of(root->departure().home)).empty();
  if (only_here && closed.nobody) {
    ThisCpuSlot(bits).Reset();
    WaitAndDispose(root, true);
    return Status::kOk;
  }
  NextVisit(root);
  return Status::kOk;
}

void Destruction::NextVisit(Root* root) {
  if (root->departure().to_visit.empty()) {
    WaitAndDispose(root, false);
    return;
  }
  const machine::CpuId cpu = root->departure().to_visit.First();
  root->departure().to_visit.Remove(cpu);
  root->departure().visit.root = root;
  root->departure().visit.handler = [](machine::CpuMessage* message) {
    Root* visiting = static_cast<Root::Departure::Visit*>(message)->root;
    ThisCpuSlot(visiting->bits()).Reset();
    node_objects->destruction().Visited(visiting);
  };
  machine::Send(cpu, &root->departure().visit);
}

// On to the next CPU, or back home.
void Destruction::Visited(Root* root) {
  if (!root->departure().to_visit.empty()) {
    NextVisit(root);
    return;
  }
  root->departure().visit.handler = [](machine::CpuMessage* message) {
    node_objects->destruction().WaitAndDispose(static_cast<Root::Departure::Visit*>(message)->root,
                                               false);
  };
  machine::Send(root->departure().home, &root->departure().visit);
}

void Destruction::WaitAndDispose(Root* root, bool local) {
  root->departure().wait.root = root;
  root->departure().wait.done = [](GraceWait* wait) {
    node_objects->destruction().Dispose(static_cast<Root::Departure::Wait*>(wait)->root);
  };
  if (local) {
    local_.fetch_add(1, std::memory_order_relaxed);
    grace_.AfterLocal(&root->departure().wait);
  } else {
    grace_.AfterGlobal(&root->departure().wait);
  }
}

void Destruction::Retire(Root* root) {
  root->SetBits(0);  // the id lives on
  root->departure().home = machine::CurrentCpu();
  WaitAndDispose(root, false);
}

void Destruction::Dispose(Root* root) {
  const RefBits bits = root->bits();
  if (root->instance() != nullptr)
    InstanceList::Gone(*root->instance(), *allocator_);
  DisposeOf(root, *allocator_);
  disposed_.fetch_add(1, std::memory_order_relaxed);
  if (bits != 0)
    CollectId(bits);
}

void Destruction::CollectId(RefBits bits) {
  PerCpu& cpu = cpus_[machine::CurrentCpu()];
  table_.link(bits) = cpu.collected;
  cpu.collected = IndexOfBits(bits);
  if (++cpu.collected_count >= kIdBatch)
    StartIdWait(cpu);
}

void Destruction::FlushIds() {
  StartIdWait(cpus_[machine::CurrentCpu()]);
}

void Destruction::StartIdWait(PerCpu& cpu) {
  if (cpu.in_grace != ObjectTable::kNoIndex || cpu.collected == ObjectTable::kNoIndex)
    return;
  cpu.in_grace = cpu.collected;
  cpu.collected = ObjectTable::kNoIndex;
  cpu.collected_count = 0;
  grace_.AfterGlobal(&cpu.wait);
}

void Destruction::IdsAreFree() {
  PerCpu& cpu = cpus_[machine::CurrentCpu()];
  std::uint32_t index = cpu.in_grace;
  cpu.in_grace = ObjectTable::kNoIndex;
  while (index != ObjectTable::kNoIndex) {
    const RefBits bits = BitsOfIndex(index);
    index = table_.link(bits);
    table_.Free(bits);
    recycled_.fetch_add(1, std::memory_order_relaxed);
  }
  if (cpu.collected_count >= kIdBatch)
    StartIdWait(cpu);
}

Destruction::Counts Destruction::counts() const {
  const auto read = [](const std::atomic<std::uint64_t>& count) {
    return count.load(std::memory_order_relaxed);
  };
  return {read(destroyed_), read(local_), read(disposed_), read(recycled_)};
}

}  // namespace k42::cobj
