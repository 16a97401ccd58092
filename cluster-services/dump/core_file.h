// An ELF core of a kernel: what `gdb build/k42.elf FILE` takes.
//
//   ELF header, program headers
//   PT_NOTE   one NT_PRSTATUS per CPU, thread N + 1 is CPU N
//   PT_LOAD   one per mapping of the kernel's half
//   contents  each range of RAM once, however often it is mapped; pages of zeroes are holes
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cluster-services/dump/cpu_registers.h"
#include "cluster-services/dump/kernel_map.h"
#include "cluster-services/support/outcome.h"
#include "interconnect/guest_memory.h"

namespace k42::dump {

struct CoreSize {
  std::uint64_t memory;   // bytes of RAM in it
  std::uint64_t written;  // bytes of it that are not zero
};

// Into the empty file `fd`.
Outcome<CoreSize> WriteCore(int fd, const std::vector<CpuRegisters>& cpus,
                            const std::vector<Mapping>& mappings,
                            const interconnect::GuestMemory& memory);

}  // namespace k42::dump
