// The first serial port (16550 at 0x3f8): the console's output.
//
// Polled, no interrupts: a log line must come out of a dying kernel too. The transmit FIFO is
// filled 16 bytes at a time, so that a line costs few port accesses.
#pragma once

#include <string_view>

namespace k42::drivers {

void StartSerial();
void WriteSerial(std::string_view text);
// What has arrived, without waiting: a byte, or -1. For a kernel whose interrupts do not serve.
int PollSerial();

}  // namespace k42::drivers
