#include "boot/start_objects.h"

#include "base/assert.h"
#include "boot/activity_watch.h"
#include "cobj/object_system.h"
#include "machine/cpu.h"
#include "mem/heap.h"
#include "platform/contract/thread_context.h"

namespace k42::boot {

namespace {

constinit cobj::ObjectSystem objects;

void Deactivate(machine::ThreadContext& context) {
  if (context.thread != nullptr) {  // Activate was told
    cobj::DeactivateThread(context);
  }
}

}  // namespace

void StartObjects() {
  objects.Start(mem::TheHeap());
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu)
    K42_ASSERT(IsOk(objects.AddCpu(cpu)), "memory for a CPU's object table");
  // Threads have run before there were objects: they count from their next activity on. None of
  // them can hold a reference yet. The end of what is counted must be known everywhere first.
  machine::ActivityHooks hooks;
  hooks.deactivate = Deactivate;
  machine::SetActivityHooks(hooks);
  hooks.activate = cobj::ActivateThread;
  machine::SetActivityHooks(hooks);
  if constexpr (kDebugChecks)
    WatchActivity();
}

}  // namespace k42::boot
