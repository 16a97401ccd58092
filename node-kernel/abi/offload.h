// What a node's kernel and its k42-offload say to each other about sockets to outside hosts.
//
// The daemon between them passes messages on and looks at none: to the kernel as control messages
// of kind kOffloadMessage, to the process as packets of a Unix socket. Both ends outlive it. What
// is on its way when a daemon dies may be lost; nothing is doubled or put out of order within one
// session. So bytes have positions in their stream, each end keeps what the other has not said it
// has (abi/offload_flow.h), and a new session makes both go back to that:
//
//   daemon -> process   kHello (packet's payload: the kernel's boot id)
//   process -> daemon   kHello (position: the number of this life of the process; limit: of the
//                       session)
//   daemon -> kernel    control kOffloadSession: OffloadSession; life 0: nobody is there
//   kernel -> process   kConnect or kResume for each connection of that life, then kSynced, all
//                       with the session's number; what was not named is closed
//
// A kernel may speak to a new daemon before it knows of it: what it says carries an older session's
// number then, and counts for nothing but what it says itself.
//
// A life other than a connection's own, or none, resets the connection.
//
// Life of a connection, whose number the kernel gives:
//   kConnect -> kConnected or kFailed; then kData and kCredit both ways; kEnd from each side at
//   most once. When both have ended and said so by kCredit, the kernel says kReset: no breach then,
//   but the last word. kReset from either before that breaks it off. kClose: the kernel's program
//   has closed it, no more bytes are wanted; the process says kReset when what it has is out.
//   A kConnect or kResume of a known number is answered by what is the case.
#pragma once

#include <cstdint>

#include "abi/link_operation.h"

namespace k42::abi {

enum class OffloadKind : std::uint16_t {
  kHello = 1,
  kConnect = 2,    // kernel: OffloadAddress; `limit`
  kConnected = 3,  // process: `limit`
  kFailed = 4,     // process: `status`; the end
  kData = 5,       // `position` of the first byte, bytes
  kEnd = 6,        // `position`: after the last byte
  kCredit = 7,     // `position`: everything before it has arrived; `limit`; kOffloadEnded
  kReset = 8,      // `status`; the end
  kClose = 9,      // kernel: kEnd, and it reads no more; answered by kReset when all is done
  kResume = 10,    // kernel: as kCredit; answered by kCredit, or kReset if unknown
  kSynced = 11,    // kernel
};

struct OffloadHeader {
  OffloadKind kind;
  std::uint16_t flags;
  std::int32_t status;  // k42::Status; kConnect, kResume, kSynced: the session's number
  std::uint64_t connection;
  std::uint64_t position;
  std::uint64_t limit;  // the receiver of this may send up to here
};
static_assert(sizeof(OffloadHeader) == 32);

struct OffloadSession {
  std::uint64_t life;
  std::uint64_t session;  // of that life, from 1
};

inline constexpr std::uint16_t kOffloadEnded = 1;  // kCredit, kResume: the end has arrived, too

struct OffloadAddress {
  std::uint32_t internet;  // host order
  std::uint16_t port;
  std::uint16_t reserved;
};

// The companion, as its own node sees it: ports of the host's loopback, and one that is the
// daemon's control socket.
inline constexpr std::uint32_t kOffloadHost = 10u << 24 | 42u << 16 | 255u << 8 | 254u;
inline constexpr std::uint16_t kOffloadControlPort = 4242;

inline constexpr std::uint32_t kOffloadWindow = 64 * 1024;  // bytes beyond what has arrived
inline constexpr std::uint32_t kOffloadPiece = 7936;        // bytes in one kData
inline constexpr std::uint32_t kOffloadConnections = 256;   // of one node, at a time
inline constexpr std::uint32_t kOffloadPacket = sizeof(OffloadHeader) + kOffloadPiece;

}  // namespace k42::abi
