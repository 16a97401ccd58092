#include "machine/power.h"

#include "instructions.h"

namespace k42::machine {

void PowerOff(ExitCode code) {
  constexpr std::uint16_t kDebugExit = 0xf4;
  constexpr std::uint16_t kQ35PmControl = 0x604;
  constexpr std::uint16_t kSleepEnable = 0x2000;  // S5 on q35
  OutByte(kDebugExit, static_cast<std::uint8_t>(code));
  OutWord(kQ35PmControl, kSleepEnable);
  HaltForever();
}

}  // namespace k42::machine
