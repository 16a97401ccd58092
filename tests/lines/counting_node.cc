#include "lines/counting_node.h"

#include <dlfcn.h>

#include <sstream>

#include "machine/cpu_area.h"
#include "machine/phys.h"

namespace k42::test {

std::string CountingNode::PlaceName(std::uint64_t address) const {
  std::ostringstream name;
  const auto lies_in = [&](const char* what, const void* begin, std::uint64_t size) {
    const std::uint64_t offset = address - reinterpret_cast<std::uint64_t>(begin);
    if (offset >= size)
      return false;
    name << what << "+0x" << std::hex << offset << std::dec;
    return true;
  };
  if (lies_in("frame allocator", &frames, sizeof(frames)) || lies_in("heap", &heap, sizeof(heap)) ||
      lies_in("object system", &objects, sizeof(objects)) ||
      lies_in("descriptors", machine::PhysToVirt(kBegin), frames.descriptor_bytes()))
    return name.str();
  for (machine::CpuId cpu = 0; cpu < kCpus; ++cpu) {
    if (lies_in("CPU area", machine::AreaBase(cpu), machine::kCpuAreaStride)) {
      name << " of CPU " << cpu;
      return name.str();
    }
  }
  if (lies_in("memory", machine::PhysToVirt(kBegin), kEnd - kBegin)) {
    const mem::Frame* const frame =
        frames.FrameOf(machine::VirtToPhys(reinterpret_cast<const void*>(address)));
    name << ", as a slab " << (mem::Heap::kSmallest << frame->slab_class % mem::Heap::kClasses)
         << " B of CPU " << unsigned{frame->slab_cpu};
    return name.str();
  }
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(address | 63), &info) != 0 && info.dli_sname != nullptr)
    return info.dli_sname;
  return "?";
}

}  // namespace k42::test
