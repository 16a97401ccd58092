#include "cobj/object_system.h"

#include "base/assert.h"
#include "machine/stepped_range.h"
#include "trace/trace.h"

namespace k42::cobj {

constinit ObjectSystem* node_objects = nullptr;

void ObjectSystem::Start(Allocator& allocator) {
  allocator_ = &allocator;
  table_.SetAllocator(allocator);
  node_objects = this;
  // The first id is the manager's: nobody else can have asked for one.
  const Result<RefBits> bits = table_.Allocate();
  K42_ASSERT(bits.ok(), "memory for the first objects");
  manager_root_.SetBits(bits.value());
  Publish(manager_root_);
}

Status ObjectSystem::AddCpu(machine::CpuId cpu) {
  TRY(table_.AddCpu(cpu));
  grace_.AddCpu(cpu);
  return manager_root_.AddCpu(cpu, table_, grace_, *allocator_);
}

ObjectCounts ObjectSystem::counts() const {
  ObjectCounts sum{};
  for (machine::CpuId cpu = 0; cpu < machine::kMaxCpus; ++cpu) {
    if (manager_root_.rep(cpu) == nullptr)
      continue;
    ObjectCounts here{};
    (void)manager_root_.rep(cpu)->Counts(here);
    sum.made += here.made;
    sum.destroyed += here.destroyed;
    sum.local += here.local;
    sum.disposed += here.disposed;
    sum.recycled += here.recycled;
    sum.misses += here.misses;
  }
  return sum;
}

void ObjectSystem::Unreserve(Root& root) {
  table_.Free(root.bits());
  root.SetBits(0);
}

ObjectSystem::MissAnswer ObjectSystem::OnMiss(RefBits bits, std::uint32_t method) {
  machine::Thread::BecomeActive();  // a mediator may have it wait
  if (ObjectManager* manager = manager_root_.rep(machine::CurrentCpu()))
    manager->CountMiss();
  trace::Log(trace::kObjectMiss, bits, method);
  MissGate& gate = table_.gate(bits);
  for (;;) {
    // None of it gives up the CPU: roots allocate and install.
    const machine::SteppedRange stepped;
    Root* root = gate.Enter();
    if (root == nullptr)
      return {nullptr, Status::kDeleted};
    const Result<void*> object = root->HandleMiss(machine::CurrentCpu(), method);
    gate.Leave();
    if (object.ok())
      return {object.value(), Status::kOk};
    if (object.status() != Status::kMoved)
      return {nullptr, object.status()};
    // Another root took this one's place meanwhile: through the gate again.
  }
}

void HoldBackSlow() {
  struct Wait : GraceWait {
    machine::Thread* thread;
    bool over;
  };
  ObjectManager& manager = node_objects->manager_here();
  while (manager.behind()) {
    Wait wait{};
    wait.thread = machine::Thread::Current();
    wait.done = [](GraceWait* ended) {
      auto* self = static_cast<Wait*>(ended);
      self->over = true;
      self->thread->Unblock();  // of this CPU: it does not run before we are out of here
    };
    node_objects->grace().AfterGlobal(&wait);
    while (!wait.over) machine::Thread::BlockExternal();
  }
}

}  // namespace k42::cobj

// From the miss stubs: `fake` is the address of the slot's word 1.
extern "C" k42::cobj::ObjectSystem::MissAnswer k42_cobj_miss(unsigned char* fake,
                                                             std::uint32_t method) {
  const auto slot = static_cast<std::uint64_t>(fake - k42::machine::ThisCpuAreaBytes()) - 8;
  return k42::cobj::node_objects->OnMiss(static_cast<k42::cobj::RefBits>(slot), method);
}
