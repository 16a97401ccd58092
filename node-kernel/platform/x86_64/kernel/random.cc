#include "machine/random.h"

#include <atomic>
#include <cstring>

#include "instructions.h"
#include "machine/cpu.h"

namespace k42::machine {
namespace {

// Stirred with every use; a lost update between CPUs does no harm.
constinit std::atomic<std::uint64_t> pool{0x9e37'79b9'7f4a'7c15};

// splitmix64's finalizer: every input bit reaches every output bit.
std::uint64_t Mix(std::uint64_t value) {
  value = (value ^ value >> 30) * 0xbf58'476d'1ce4'e5b9;
  value = (value ^ value >> 27) * 0x94d0'49bb'1331'11eb;
  return value ^ value >> 31;
}

bool HasRdrand() {
  static constinit std::atomic<int> known{-1};
  int has = known.load(std::memory_order_relaxed);
  if (has < 0) {
    has = static_cast<int>(Cpuid(1).ecx >> 30 & 1);
    known.store(has, std::memory_order_relaxed);
  }
  return has != 0;
}

std::uint64_t Hardware() {
  if (HasRdrand()) {
    for (int tries = 0; tries < 10; ++tries) {
      std::uint64_t value;
      bool good;
      asm volatile("rdrand %0" : "=r"(value), "=@ccc"(good));
      if (good) {
        return value;
      }
    }
  }
  std::uint64_t value = 0;
  for (int i = 0; i < 64; ++i) {  // the low bits of how long things take
    Pause();
    value = Mix(value + CycleCount());
  }
  return value;
}

}  // namespace

void FillRandom(void* destination, std::size_t size) {
  auto* bytes = static_cast<unsigned char*>(destination);
  while (size != 0) {
    const std::uint64_t state = Mix(pool.load(std::memory_order_relaxed) + CycleCount());
    pool.store(state, std::memory_order_relaxed);
    const std::uint64_t value = Mix(state ^ Hardware());
    const std::size_t part = size < sizeof(value) ? size : sizeof(value);
    std::memcpy(bytes, &value, part);
    bytes += part;
    size -= part;
  }
}

}  // namespace k42::machine
