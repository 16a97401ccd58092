// One operation asked of the fabric: the record that outlives the daemon serving it.
//
// The kernel owns the slot. It fills a free one (`id` last, release), pushes the id into the submit
// ring of its CPU, and frees it (`id` = 0) after it has seen the end. The daemon writes only the
// second half:
//
//   taken = id   before anything is issued to a transport
//   ended = id   after outcome, status and value are written (release); then a kCompletion record
//                goes into the receive ring of the slot's CPU
//
// So a new daemon can tell from a slot alone what it has to do:
//   taken != id               still in the ring: serve it when it comes
//   taken == id, ended != id  was under way when the predecessor died: repeat it if that can do no
//                             harm (gets, kRepeatable), else end it as kUnknown
//   ended == id               the record may be lost: post it again (the kernel drops doubles)
//
// Memory named by an operation belongs to the fabric until it has ended, deadline or not.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "abi/arena.h"
#include "base/status.h"

namespace k42::abi {

enum class OperationKind : std::uint16_t {
  kSend = 1,          // frame (abi/frame.h) and payload at [local_offset, length) to the peer
  kPut = 2,           // local range -> window
  kGet = 3,           // window -> local range
  kFetchAdd = 4,      // 8 bytes in the window += operand; value: what was there
  kCompareSwap = 5,   // 8 bytes in the window: compare -> operand; value: what was there
  kPutNotify = 6,     // kPut, then `operand` as a kNotify record at the peer
  kFlush = 7,         // ends when every earlier operation to this peer is visible there
  kRevokeWindow = 8,  // the window (own) is closed: ends when nothing touches it any more
};

// Where operations to the same peer stay in order, and how they are told apart at the receiver.
enum class Channel : std::uint16_t {
  kCall = 0,     // calls between global objects, and their replies
  kStream = 1,   // fabric streams' control
  kControl = 2,  // daemon <-> own kernel: view, run agent
  kEcho = 3,     // answered by the receiving daemon or kernel at once: tests, round-trip times
};
inline constexpr std::uint16_t kChannelCount = 4;

enum OperationFlags : std::uint32_t {
  kRepeatable = 1u << 0,  // doing it twice is doing it once (stream data, whose notify counts)
  // Nobody waits for a good end. Its record wakes no CPU: it is seen with whatever wakes the CPU
  // next, or within kHeartbeatPeriodNs (each beat looks); and it does wake when there are many
  // (kMostQuietEnds), so that a CPU never runs out of operations by it. Every other end wakes. What
  // began before another may end behind it (a put behind a message): the other's wake does not show
  // it then.
  kQuietEnd = 1u << 1,
};

// Quiet ends in a CPU's ring that may wait for a wake.
inline constexpr std::uint32_t kMostQuietEnds = kOperationsPerCpu / 4;
// One daemon's, and as many that its predecessor had counted.
static_assert(2 * (kMostQuietEnds + 1) <= kOperationsPerCpu);

// The peer of a kSend to the own daemon.
inline constexpr std::uint32_t kDaemonNode = 0xffff'ffff;

// How an operation ended. kUnknown is an answer, not an error to hide: it may have happened.
enum class Outcome : std::uint32_t { kNone = 0, kDone = 1, kNotSent = 2, kUnknown = 3 };

struct alignas(kCacheLine) Operation {
  // Kernel's.
  std::atomic<std::uint64_t> id;  // use count << 32 | slot; 0: free
  OperationKind kind;
  Channel channel;
  std::uint32_t flags;
  std::uint32_t peer_node;
  std::uint32_t length;
  std::uint64_t peer_incarnation;
  std::uint64_t local_offset;  // in the arena, inside the data area
  WindowId window;             // the peer's
  std::uint64_t remote_offset;
  std::uint64_t budget_ns;  // the wait ends after that; the transfer may not have. 0: no limit
  std::uint64_t operand;
  std::uint64_t compare;
  std::uint32_t receiver_cpu;  // whose receive ring at the peer
  std::uint32_t order;         // counts the CPU's operations: a new daemon repeats them in it

  // Daemon's.
  alignas(kCacheLine) std::atomic<std::uint64_t> taken;
  std::atomic<std::uint64_t> ended;
  Outcome outcome;
  std::uint32_t generation;  // of the daemon that took it
  Status status;             // why not kDone
  std::uint64_t value;
};
static_assert(sizeof(Operation) == 192);
static_assert(offsetof(Operation, taken) == 128);

constexpr std::uint64_t MakeOperationId(std::uint32_t use_count, std::uint32_t slot) {
  return std::uint64_t{use_count} << 32 | slot;
}
constexpr std::uint32_t OperationSlot(std::uint64_t id) {
  return static_cast<std::uint32_t>(id);
}

// The largest kSend, frame included. Larger things go by windows.
inline constexpr std::uint32_t kMaxMessage = 8192;

}  // namespace k42::abi
