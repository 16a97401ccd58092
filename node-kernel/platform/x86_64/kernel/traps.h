// C++ side of trap entry; see trap_entry.S.
#pragma once

#include "machine/trap_frame.h"

namespace k42::machine {

// A device interrupt on this CPU (irq.cc). False: nobody has that vector.
bool HandleDeviceInterrupt(std::uint8_t vector);

}  // namespace k42::machine
