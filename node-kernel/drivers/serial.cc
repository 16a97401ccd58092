#include "drivers/serial.h"

#include <cstdint>

#include "instructions.h"

namespace k42::drivers {
namespace {

using machine::InByte;
using machine::OutByte;

constexpr std::uint16_t kPort = 0x3f8;
constexpr std::uint16_t kData = kPort;
constexpr std::uint16_t kInterruptEnable = kPort + 1;
constexpr std::uint16_t kFifoControl = kPort + 2;
constexpr std::uint16_t kLineControl = kPort + 3;
constexpr std::uint16_t kModemControl = kPort + 4;
constexpr std::uint16_t kLineStatus = kPort + 5;
constexpr std::uint8_t kTransmitEmpty = 0x20;
constexpr unsigned kFifoSize = 16;
constexpr unsigned kPatience = 100'000;  // polls; then the character is dropped: nobody listens

void WaitUntilEmpty() {
  for (unsigned i = 0; i < kPatience && (InByte(kLineStatus) & kTransmitEmpty) == 0; ++i) {
  }
}

}  // namespace

void StartSerial() {
  OutByte(kInterruptEnable, 0);
  OutByte(kLineControl, 0x80);  // divisor latch
  OutByte(kData, 1);            // 115200 baud
  OutByte(kInterruptEnable, 0);
  OutByte(kLineControl, 0x03);  // 8 bits, no parity, one stop bit
  OutByte(kFifoControl, 0x07);
  OutByte(kModemControl, 0x03);
}

void WriteSerial(std::string_view text) {
  unsigned room = 0;
  for (char c : text) {
    if (room == 0) {
      WaitUntilEmpty();
      room = kFifoSize;
    }
    OutByte(kData, static_cast<std::uint8_t>(c));
    --room;
  }
}

int PollSerial() {
  constexpr std::uint8_t kDataReady = 1;
  return (InByte(kLineStatus) & kDataReady) != 0 ? InByte(kData) : -1;
}

}  // namespace k42::drivers
