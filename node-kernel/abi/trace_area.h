// TraceArea: what the companion host needs to read a node's trace out of its RAM, without the
// node's help. It lies in the kernel's image, at the start of a page; the host finds it by its
// magic, looking upwards from kTraceSearchFrom, so that nothing a program could write comes first.
#pragma once

#include <atomic>
#include <cstdint>

#include "abi/trace_buffer.h"

namespace k42::trace {

inline constexpr std::uint64_t kTraceSearchFrom = 2u << 20;  // where the kernel's image begins
inline constexpr std::uint64_t kTraceSearchSize = 64u << 20;
inline constexpr std::uint64_t kAreaMagic[2] = {0x4543'4152'5432'344b, 0x3230'4145'5241'5f5f};
inline constexpr std::uint32_t kAreaVersion = 2;
inline constexpr std::uint32_t kAreaMaxCpus = 64;

// The shape of a CPU's buffer and of a program's.
inline constexpr std::uint32_t kCpuBlockBytes = 8192;
inline constexpr std::uint32_t kUserBlockBytes = 4096;
inline constexpr std::uint32_t kTraceBlocks = 8;
inline constexpr std::uint32_t kTraceHeadBytes = 4096;

// A buffer that a program writes to. `turn` is odd while the entry is in use, and grows whenever it
// changes: a reader looks at it before and after.
struct UserTrace {
  std::atomic<std::uint64_t> turn;
  std::uint64_t address;  // physical
  std::uint32_t process;
  std::uint32_t ended;  // 1: its process is over
  std::uint64_t reserved;
};
static_assert(sizeof(UserTrace) == 32);
inline constexpr std::uint32_t kMaxUserTraces = 64;

struct alignas(4096) TraceArea {
  std::uint64_t magic[2];
  std::uint32_t version;
  std::uint32_t size;  // of this
  std::uint32_t cpus;
  std::atomic<std::uint32_t> mask;  // MaskOf bits: what is recorded
  // ns since boot = base_ns + ((cycles - base_cycles) * mult >> shift)
  std::uint64_t mult;
  std::uint64_t shift;
  std::uint64_t base_cycles;
  std::uint64_t base_ns;
  std::uint64_t buffers[kAreaMaxCpus];  // physical addresses of the CPUs' buffers; 0: none
  UserTrace users[kMaxUserTraces];
};
static_assert(sizeof(TraceArea) == 4096);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace k42::trace
