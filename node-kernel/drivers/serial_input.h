// What arrives on the first serial port: the console's keyboard.
//
// The interrupt handler empties the port into a ring and sends a message to its own CPU; the
// message hands the bytes to the receiver in thread context. Bytes beyond the ring are lost, as on
// any line without flow control.
#pragma once

#include <cstdint>
#include <span>

#include "base/status.h"

namespace k42::drivers {

using SerialReceiver = void (*)(std::span<const std::uint8_t> bytes);

// Called when kDebugKey has been typed three times in a row (the third is swallowed), in interrupt
// context. Once, before StartSerialInput.
inline constexpr std::uint8_t kDebugKey = 0x1e;  // Ctrl-^
void SetDebugKey(void (*typed)());

// The CPU that serves the port is stuck: looks for the key in its place. Any other CPU, one at a
// time; all else that was typed is lost.
void PollDebugKey();

// Thread context, once. kNotFound: the machine has no IOAPIC that reaches the port.
Status StartSerialInput(SerialReceiver receiver);

}  // namespace k42::drivers
