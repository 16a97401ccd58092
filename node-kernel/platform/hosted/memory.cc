// Simulated physical memory, clocks and boot information.
#include <sys/mman.h>
#include <sys/random.h>

#include <ctime>

#include "base/assert.h"
#include "machine/boot_info.h"
#include "machine/clock.h"
#include "machine/phys.h"
#include "machine/random.h"

namespace k42::machine {

namespace {
constexpr PhysAddr kFirstFree = 1 << 20;  // page 0 is no page: 0 means "none"

std::uint64_t ReadClock(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec);
}
const std::uint64_t start_ns = ReadClock(CLOCK_MONOTONIC);
}  // namespace

unsigned char* PhysicalMemory() {
  static unsigned char* const base = [] {
    void* memory = mmap(nullptr, kHostedRamSize, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    K42_ASSERT(memory != MAP_FAILED, "host gives no memory");
    return static_cast<unsigned char*>(memory);
  }();
  return base;
}

const BootInfo& GetBootInfo() {
  static const BootInfo info{.command_line = "",
                             .ram_size = kHostedRamSize,
                             .arena = {0, 0},
                             .highest_ram = kHostedRamSize};
  return info;
}
std::string_view BootOption(std::string_view, std::string_view fallback) {
  return fallback;
}
std::span<const PhysRange> TakeFreeMemory() {
  static const PhysRange ranges[] = {{kFirstFree, kHostedRamSize}};
  return ranges;
}
void SetFrameSource(const FrameSource&) {}  // the simulated platform needs no frames

std::uint64_t MonotonicNs() {
  return ReadClock(CLOCK_MONOTONIC) - start_ns;
}
std::uint64_t BootRealtimeNs() {
  return ReadClock(CLOCK_REALTIME) - MonotonicNs();
}
ClockParameters GetClockParameters() {
  return {1, 0, 0, 0};
}

void FillRandom(void* destination, std::size_t size) {
  auto* at = static_cast<unsigned char*>(destination);
  while (size > 0) {
    const ssize_t got = getrandom(at, size, 0);
    K42_ASSERT(got > 0, "host gives no random bytes");
    at += got;
    size -= static_cast<std::size_t>(got);
  }
}

}  // namespace k42::machine
