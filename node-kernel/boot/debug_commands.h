// What the debug console can show; one file per subject. `word` is what followed the command.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "machine/trap_frame.h"
#include "platform/contract/types.h"

namespace k42::boot {

// Decimal, or hexadecimal after 0x.
std::optional<std::uint64_t> DebugNumber(std::string_view word);

// debug_cpus.cc. `here` is what this CPU was doing.
void ShowCpus(const machine::TrapFrame& here);
void ShowCpu(std::string_view word, const machine::TrapFrame& here);
void ShowWaits();
void ShowThreads(std::string_view word);
void ShowThread(std::string_view word, const machine::TrapFrame& here);

// debug_objects.cc
void ShowObjects(std::string_view word);
void ShowGenerations();

// debug_memory.cc
void ShowMemory();

// debug_locks.cc
void ShowLocks(std::string_view word);

}  // namespace k42::boot
