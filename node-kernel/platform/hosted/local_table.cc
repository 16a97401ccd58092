// CPU areas; and the main thread of a test program becomes CPU 0's boot thread before main().
#include "machine/local_table.h"

#include <sys/mman.h>

#include <atomic>
#include <mutex>

#include "base/assert.h"
#include "machine/cpu_area.h"
#include "machine/hosted.h"
#include "machine/thread.h"
#include "virtual_cpu.h"

namespace k42::machine {

constinit thread_local unsigned char* cpu_area_base = nullptr;

unsigned char* AreaBase(CpuId cpu) {
  static std::mutex lock;
  static unsigned char* areas[kMaxCpus];
  K42_ASSERT(cpu < kMaxCpus, "no such CPU");
  const std::lock_guard guard(lock);
  if (areas[cpu] == nullptr) {
    void* area = mmap(nullptr, kCpuAreaStride, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    K42_ASSERT(area != MAP_FAILED, "host gives no memory for a CPU area");
    areas[cpu] = static_cast<unsigned char*>(area);
  }
  return areas[cpu];
}

namespace {
std::atomic<CpuId> without_table_memory{kMaxCpus};
}
void hosted::RefuseObjectTable(CpuId cpu) {
  without_table_memory = cpu;
}

Status MapObjectTable(CpuId cpu, std::uint32_t slots) {
  if (slots > kObjectTableMaxSlots)
    return Status::kLimitExceeded;
  if (cpu == without_table_memory)
    return Status::kNoMemory;
  AreaBase(cpu);
  return Status::kOk;
}

namespace {
[[maybe_unused]] Thread* const boot_thread = VirtualCpu::Of(0).Adopt("boot");
}

}  // namespace k42::machine
