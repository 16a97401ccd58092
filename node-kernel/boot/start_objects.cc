#include "boot/start_objects.h"

#include <atomic>

#include "base/assert.h"
#include "boot/activity_watch.h"
#include "cobj/object_system.h"
#include "machine/cpu.h"
#include "mem/heap.h"
#include "platform/contract/thread_context.h"

namespace k42::boot {

namespace {

constinit cobj::ObjectSystem objects;
// Threads have run before there were objects: they count from their next activity on. None of them
// can hold a reference yet.
constinit std::atomic<bool> counting[machine::kMaxCpus] = {};

void Activate(machine::ThreadContext& context) {
  if (counting[machine::CurrentCpu()].load(std::memory_order_relaxed)) {
    cobj::ActivateThread(context);
  }
}

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
  machine::SetActivityHooks({Activate, Deactivate});
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu)
    counting[cpu].store(true, std::memory_order_relaxed);
  if constexpr (kDebugChecks)
    WatchActivity();
}

}  // namespace k42::boot
