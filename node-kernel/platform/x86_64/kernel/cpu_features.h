// What a CPU must have, and switching it on.
#pragma once

namespace k42::machine {

// Panics, naming all that is missing, unless this CPU has every feature the kernel relies on.
void RequireCpuFeatures();

// On each CPU, first thing: control registers and EFER as the kernel expects them.
void EnableCpuFeatures();

}  // namespace k42::machine
