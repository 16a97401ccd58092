// The IOAPICs: where interrupts of old devices arrive. Everything is masked but what
// machine/irq.h's RouteLegacyInterrupt lets through (the serial port); other devices use MSI-X.
#pragma once

namespace k42::machine {

// Once, by the boot CPU: maps all IOAPICs and masks every input.
void StartIoApics();

}  // namespace k42::machine
