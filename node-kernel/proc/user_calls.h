// The doors from user space: what the platform calls for native calls, traps and page faults
// (platform/contract/user_hooks.h). A tour of one native call is in README.md.
#pragma once

#include <cstdint>

#include "machine/trap_frame.h"

namespace k42::proc {

// All hooks, for machine::SetUserHooks.
void RegisterUserHooks();

void OnNativeCall(machine::TrapFrame* frame);
// A Linux system call that the entry assembly did not reflect: by disabled code, or before entries
// were registered.
void OnLinuxCall(machine::TrapFrame* frame);
void OnUserTrap(machine::TrapFrame* frame, std::uint64_t address);
bool OnKernelPageFault(machine::TrapFrame* frame, std::uint64_t address);

}  // namespace k42::proc
