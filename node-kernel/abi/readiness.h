// Readiness: what a stream-like object can do now, as io/waitable.idl reports it.
//
// PollState() returns one word: the ready bits that hold now, and two counters of edges, one for
// the reading and one for the writing side. An edge is an event that would wake a waiter even
// though the bit was set already (more data arrived, another datagram left). A waiter for "the next
// change" passes the word it last saw; if the counters have moved, its ticket fires at once, so
// that nothing between the look and the arming is lost.
#pragma once

#include <cstdint>

namespace k42::abi {

inline constexpr std::uint32_t kReadable = 1u << 0;  // a read would not wait (data, end, a caller)
inline constexpr std::uint32_t kWritable = 1u << 1;  // a write would not wait
inline constexpr std::uint32_t kHangup = 1u << 2;    // both directions are over
inline constexpr std::uint32_t kError = 1u << 3;     // an error waits to be collected
inline constexpr std::uint32_t kReadHangup = 1u << 4;   // the peer has ended its sending side
inline constexpr std::uint32_t kPriority = 1u << 5;     // a pseudo terminal's packet mode
inline constexpr std::uint32_t kPeerPresent = 1u << 6;  // a fifo's other side is open, or was since
inline constexpr std::uint32_t kSendAgain = 1u
                                            << 7;  // room may have come where a datagram found none
// Reported and waited for whatever the mask says.
inline constexpr std::uint32_t kReadyAlways = kHangup | kError;
inline constexpr std::uint32_t kReadSide =
    kReadable | kReadHangup | kPriority | kPeerPresent | kReadyAlways;
inline constexpr std::uint32_t kWriteSide = kWritable | kPeerPresent | kSendAgain | kReadyAlways;

// Layout of the word: bits 0-31 ready bits, 32-47 read edges, 48-63 write edges.
struct PollWord {
  std::uint32_t ready;
  std::uint16_t read_edges;
  std::uint16_t write_edges;

  constexpr std::uint64_t Pack() const {
    return ready | std::uint64_t{read_edges} << 32 | std::uint64_t{write_edges} << 48;
  }
  static constexpr PollWord Unpack(std::uint64_t word) {
    return {static_cast<std::uint32_t>(word), static_cast<std::uint16_t>(word >> 32),
            static_cast<std::uint16_t>(word >> 48)};
  }
};

// `since` of Waitable.Arm: the level, or the first edge after a PollWord (kArmEdge | word).
inline constexpr std::uint64_t kArmLevel = 0;
inline constexpr std::uint64_t kArmEdge = std::uint64_t{1} << 31;

}  // namespace k42::abi
