// The syscall entry's view of the dispatcher that runs on this CPU (user_entry.S).
//
// The assembly reflects a Linux system call without calling C++: all it needs is in this record,
// one per CPU, reached by CpuArea::scratch[0]. With `page` null nothing is reflected.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/dispatcher_page.h"
#include "machine/cpu_area.h"

namespace k42::machine {

struct UserEntry {
  abi::DispatcherPage* page;    // 0: the kernel's alias of the running dispatcher's page
  std::uint64_t syscall_entry;  // 8: 0: the dispatcher has registered none
  std::uint64_t user_page;      // 16: where user space sees the page: its %gs base
  std::uint64_t reserved;       // 24
  std::uint64_t rax;            // 32: scratch of the assembly from here on
  std::uint64_t rip;            // 40
  std::uint64_t rsp;            // 48
  std::uint64_t r11;            // 56
};
static_assert(offsetof(UserEntry, rax) == 32 && sizeof(UserEntry) == 64);

// On each CPU, before it first runs user code.
void StartUserEntry();

// This CPU, interrupts off, before user code of another dispatcher runs.
inline void SetUserEntry(abi::DispatcherPage* page, std::uint64_t syscall_entry,
                         std::uint64_t user_page) {
  auto* entry = reinterpret_cast<UserEntry*>(ThisCpuArea()->scratch[0]);
  entry->page = page;
  entry->syscall_entry = syscall_entry;
  entry->user_page = user_page;
}

// %gs base that user code will find, when it was stopped and goes on elsewhere. This CPU,
// interrupts off, from a trap, outside of any SteppedRange. What comes all the same (NMI, machine
// check) finds its CPU by its own stack, and leaves both bases as they were (trap_entry.S).
inline void SetUserGsBase(std::uint64_t base) {
  asm volatile("swapgs; wrgsbase %0; swapgs" ::"r"(base) : "memory");
}

}  // namespace k42::machine
