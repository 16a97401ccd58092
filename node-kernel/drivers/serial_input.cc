#include "drivers/serial_input.h"

#include <array>
#include <atomic>

#include "base/result.h"
#include "drivers/serial.h"
#include "instructions.h"
#include "machine/cpu.h"
#include "machine/cpu_message.h"
#include "machine/irq.h"

namespace k42::drivers {
namespace {

constexpr std::uint16_t kPort = 0x3f8;
constexpr std::uint16_t kInterruptEnable = kPort + 1;
constexpr std::uint16_t kModemControl = kPort + 4;
constexpr std::uint16_t kLineStatus = kPort + 5;
constexpr std::uint8_t kDataReady = 1;
constexpr std::uint32_t kLine = 4;  // ISA interrupt of COM1
constexpr std::uint32_t kRing = 1024;

// One producer (the handler), one consumer (the message), both on the CPU of the interrupt.
constinit std::array<std::uint8_t, kRing> ring = {};
constinit std::atomic<std::uint32_t> head{0};
constinit std::atomic<std::uint32_t> tail{0};
constinit std::atomic<bool> message_under_way{false};
constinit SerialReceiver receive = nullptr;
using DebugKeyTyped = void (*)();
constinit DebugKeyTyped debug_key_typed = nullptr;
constinit int debug_keys = 0;  // in a row so far

void Deliver(machine::CpuMessage*) {
  message_under_way.store(false);  // bytes that come from here on send it again
  while (head.load() != tail.load()) {
    const std::uint32_t at = head.load() % kRing;
    const std::uint32_t waiting = tail.load() - head.load();
    const std::uint32_t size = waiting < kRing - at ? waiting : kRing - at;
    receive(std::span(ring).subspan(at, size));
    head.fetch_add(size);
  }
}
constinit machine::CpuMessage message = {nullptr, Deliver};

// True: `byte` was the third.
bool IsDebugKey(std::uint8_t byte) {
  debug_keys = byte == kDebugKey ? debug_keys + 1 : 0;
  if (debug_keys < 3 || debug_key_typed == nullptr) {
    return false;
  }
  debug_keys = 0;
  return true;
}

void OnInterrupt(void*) {
  while ((machine::InByte(kLineStatus) & kDataReady) != 0) {
    const std::uint8_t byte = machine::InByte(kPort);
    if (IsDebugKey(byte)) {
      debug_key_typed();
    } else if (tail.load() - head.load() < kRing) {
      ring[tail.load() % kRing] = byte;
      tail.fetch_add(1);
    }
  }
  if (!message_under_way.exchange(true)) {
    machine::Send(machine::CurrentCpu(), &message);
  }
}

}  // namespace

void SetDebugKey(void (*typed)()) {
  debug_key_typed = typed;
}

void PollDebugKey() {
  for (int byte = PollSerial(); byte >= 0; byte = PollSerial()) {
    if (IsDebugKey(static_cast<std::uint8_t>(byte))) {
      debug_key_typed();
    }
  }
}

Status StartSerialInput(SerialReceiver receiver) {
  receive = receiver;
  const machine::IrqVector irq =
      TRY(machine::AllocateIrq(machine::CurrentCpu(), OnInterrupt, nullptr));
  TRY(machine::RouteLegacyInterrupt(kLine, irq));
  machine::OutByte(kModemControl, 0x0b);  // OUT2 lets the interrupt out of the chip
  machine::OutByte(kInterruptEnable, 0x01);
  return Status::kOk;
}

}  // namespace k42::drivers
