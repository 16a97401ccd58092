#include "backtrace.h"
#include "boot/debug_commands.h"
#include "boot/debug_print.h"
#include "cobj/object_system.h"
#include "cobj/slot.h"
#include "machine/cpu.h"
#include "machine/thread.h"

namespace k42::boot {
namespace {

using machine::CanRead;
using machine::CpuId;

// The class whose method number `method` the object's vtable names; "?" if it has none.
std::string_view ClassOf(const void* object, unsigned method) {
  const auto at = reinterpret_cast<std::uint64_t>(object);
  if (!CanRead(at)) {
    return "?";
  }
  const std::uint64_t entry = *reinterpret_cast<const std::uint64_t*>(at) + 8 * method;
  // The vtable lies in the image (read-only data), or in a module.
  if (!CanRead(entry)) {
    return "?";
  }
  std::string_view name = machine::FindSymbol(*reinterpret_cast<const std::uint64_t*>(entry)).name;
  const std::size_t end = name.rfind("::");
  return end == name.npos ? name : name.substr(0, end);
}

}  // namespace

void ShowObjects(std::string_view word) {
  constexpr unsigned kObjectFor = 1;  // Root's second virtual method, which every root has
  constexpr std::uint32_t kMost = 200;
  cobj::ObjectSystem* objects = cobj::node_objects;
  if (objects == nullptr) {
    return DebugPrint("  no objects yet\n");
  }
  cobj::ObjectTable& table = objects->table();
  const std::uint64_t first = DebugNumber(word).value_or(0);
  std::uint32_t living = 0;
  std::uint32_t reps[machine::kMaxCpus] = {};
  for (std::uint32_t i = 0; i < table.chunks() * cobj::ObjectTable::kChunkIds; ++i) {
    const cobj::RefBits bits = cobj::BitsOfIndex(i);
    if (!table.Knows(bits)) {
      continue;
    }
    const cobj::Root* root = table.gate(bits).Peek();
    if (root == nullptr) {
      continue;
    }
    ++living;
    const bool shown = living > first && living <= first + kMost;
    if (shown) {
      DebugPrint("  {x} root {} {}\n", bits, static_cast<const void*>(root),
                 ClassOf(root, kObjectFor));
    }
    const void* last = nullptr;
    for (CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
      const auto slot = machine::kCpuAreaBase + cpu * machine::kCpuAreaStride + bits;
      if (!CanRead(slot) || reinterpret_cast<const cobj::Slot*>(slot)->empty()) {
        continue;
      }
      ++reps[cpu];
      const void* rep = reinterpret_cast<const cobj::Slot*>(slot)->object;
      if (shown && rep == last) {
        DebugPrint("    cpu {}: the same\n", cpu);
      } else if (shown) {
        DebugPrint("    cpu {}: {} {}\n", cpu, rep, ClassOf(rep, 0));
      }
      last = rep;
    }
  }
  DebugPrint("  {} objects; slots filled by CPU:", living);
  for (CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    DebugPrint(" {}", reps[cpu]);
  }
  if (living > first + kMost) {
    DebugPrint("; more: objects {}", first + kMost);
  }
  DebugPrint("\n");
}

void ShowGenerations() {
  cobj::ObjectSystem* objects = cobj::node_objects;
  if (objects == nullptr) {
    return DebugPrint("  no objects yet\n");
  }
  const cobj::Grace& grace = objects->grace();
  for (CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    const cobj::Grace::View view = grace.ViewOf(cpu);
    DebugPrint("  cpu {2} generation {}, needed {}{}\n", cpu, view.generation, view.needed,
               view.token ? ", has the token" : "");
    constexpr int kMost = 1000;
    int count = 0;
    for (const machine::ThreadContext* thread = grace.FirstActive(cpu);
         thread != nullptr && CanRead(reinterpret_cast<std::uint64_t>(thread)) && count < kMost;
         thread = thread->next_active, ++count) {
      DebugPrint("         {} is held by {}{}\n", thread->generation,
                 thread->thread != nullptr ? thread->thread->name() : "?",
                 thread->generation < view.generation && view.generation < view.needed
                     ? ", which holds it up"
                     : "");
    }
  }
  DebugPrint("  the grace token {}, {} moves\n", grace.idle() ? "sleeps" : "travels",
             grace.token_moves());
  const cobj::ObjectCounts counts = objects->counts();
  DebugPrint("  destroyed {} ({} without a message), disposed {}, ids recycled {}\n",
             counts.destroyed, counts.local, counts.disposed, counts.recycled);
}

}  // namespace k42::boot
