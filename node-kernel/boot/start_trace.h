// Gives every CPU its trace buffer and switches on what the boot option trace=CLASSES names.
#pragma once

namespace k42::boot {

// After ACPI (how many CPUs there may be), while early memory lasts.
void StartTrace();

}  // namespace k42::boot
