// The kernel's C++ entry, from platform/x86_64/kernel/boot_entry.S.
#include <cstdint>

#include "boot/start_list.h"

extern "C" [[noreturn]] void KernelEntry(std::uint32_t start_info) {
  k42::boot::StartKernel(start_info);
}
