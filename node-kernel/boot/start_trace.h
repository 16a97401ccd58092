// Gives every CPU its trace buffer and switches on what the boot option trace=CLASSES names.
#pragma once

#include <cstdint>

namespace k42::boot {

// After ACPI (how many CPUs there may be) and the boot CPU, while early memory lasts.
void StartTrace();

// What is recorded from now on, by the platform too. Thread context.
void SetTraceMask(std::uint32_t mask);

}  // namespace k42::boot
