// The address layout for debuggers (debug/gdb): constants of a name space leave no trace in the
// image's debug information, a variable does.
#include "machine/kernel_layout.h"

namespace k42::machine {
namespace {

struct DebugLayout {
  std::uint64_t cpu_area_base, cpu_area_stride;
  std::uint64_t object_table_offset, object_slot_size;
  std::uint64_t stack_area_base, stack_slot_size;
  std::uint64_t module_area_base, module_area_end;
  std::uint64_t max_cpus;
};

[[gnu::used]] constexpr DebugLayout debug_layout = {
    .cpu_area_base = kCpuAreaBase,
    .cpu_area_stride = kCpuAreaStride,
    .object_table_offset = kObjectTableOffset,
    .object_slot_size = kObjectSlotSize,
    .stack_area_base = kStackAreaBase,
    .stack_slot_size = kStackSlotSize,
    .module_area_base = kModuleAreaBase,
    .module_area_end = kModuleAreaEnd,
    .max_cpus = kMaxCpus,
};

}  // namespace
}  // namespace k42::machine
