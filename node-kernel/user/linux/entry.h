// The C++ side of entry.S: what the assembly calls, and what it offers.
//
// Every way from the program into the personality ends in ReturnToProgram, which delivers signals,
// lets other threads run, and goes through the leave range. Nothing on the personality stack
// survives it.
#pragma once

#include <cstdint>

#include "user/linux/thread.h"

namespace k42::personality {

extern "C" {
// Called by the assembly.
[[noreturn]] void SystemCallFromProgram(Thread* thread);
[[noreturn]] void UpcallFromProgram(Thread* thread);
[[noreturn]] void TrapFromProgram(Thread* thread);
void TrapHitPersonality();
[[noreturn]] void ReturnAfterEvent(Thread* thread);

// Inside the monitor, which it leaves.
[[noreturn]] void ReturnToProgram(Thread* thread);

// Offered by it.
[[noreturn]] void personality_leave_begin();
extern const char personality_leave_end[];
void personality_syscall_entry();
void personality_run_entry();
void personality_trap_entry();
extern const char personality_access_begin[];
extern const char personality_access_end[];
void personality_access_failed();
[[noreturn]] void ResumePersonality(const abi::UserState* trapped);
void SwitchStacks(Thread* from, Thread* to);
[[noreturn]] void LeaveStack(Thread* to);
// 0, and later 1 when a forked child continues at the context.
std::int64_t SaveContext(std::uint64_t context[8]) __attribute__((returns_twice));
}

// First switch to a new thread lands here.
[[noreturn]] void StartOfThread();

// Tells the kernel our entries. Once, at start and in nothing else: fork and exec keep them.
void RegisterEntries();

}  // namespace k42::personality
