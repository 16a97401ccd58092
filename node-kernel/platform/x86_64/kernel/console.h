// Where log lines go. The platform formats; a driver (drivers/serial) is registered by boot/.
#pragma once

#include <string_view>

namespace k42::machine {

using ConsoleWrite = void (*)(std::string_view text);
void SetConsole(ConsoleWrite write);

// Raw text, no stamp. Takes the log lock, unless the machine is panicking.
void WriteConsole(std::string_view text);

// Console output ignores the lock while it is broken: whoever holds it has been stopped.
void BreakConsoleLock(bool broken);

}  // namespace k42::machine
