// What may be seen of the object system from outside, at any moment, without a lock and without
// disturbing anybody: for debug consoles, panics and dumps.
//
// Everything here may be out of date when it is returned. A root may be freed at any moment unless
// the rest stands still; what is read of it here is its vtable pointer, from memory that stays
// mapped.
#pragma once

#include <cstdint>

#include "base/cpu_set.h"
#include "cobj/object_system.h"
#include "cobj/slot.h"
#include "machine/cpu.h"

namespace k42::cobj {

struct ObjectView {
  RefBits bits;
  const Root* root;
  CpuSet filled;  // CPUs whose calls reach a rep, forwarder or mediator without a miss
  // Address of a function of the root's class: its symbol names the class, for instance
  // k42::cobj::SharedRoot<k42::io::PipeEnd>::ObjectFor.
  std::uint64_t class_function;
};

// function(const ObjectView&) for each object there is.
template <typename Function>
void ForEachObject(const ObjectSystem& objects, Function function) {
  const ObjectTable& table = objects.table();
  for (RefBits bits = BitsOfIndex(0); bits != table.end(); bits += sizeof(Slot)) {
    const Root* root = table.Peek(bits);
    if (root == nullptr)
      continue;
    ObjectView view{bits, root, {}, 0};
    for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu)
      if (IsFilled(cpu, bits))
        view.filled.Add(cpu);
    // Slot 1 of every root's vtable is ObjectFor, which each class has its own of.
    const auto* vtable = *reinterpret_cast<const std::uint64_t* const*>(root);
    view.class_function = vtable[1];
    function(view);
  }
}

// function(const machine::ThreadContext&) for each active thread of a CPU, newest first: these hold
// its generations. At most `most`, should the list be broken.
template <typename Function>
void ForEachActive(const ObjectSystem& objects, machine::CpuId cpu, Function function,
                   std::uint32_t most = 1000) {
  const machine::ThreadContext* context = objects.grace().FirstActive(cpu);
  for (; context != nullptr && most != 0; context = context->next_active, --most)
    function(*context);
}

}  // namespace k42::cobj
