// The state of one end of a fabric stream, version 1: what a swap of the class hands over
// (form kStreamStateV1), so its layout changes only together with a new form.
//
// Positions are absolute, bytes since the stream began, and keep this order:
//   sending:   done <= sent <= ever_sent <= written      written - done <= own send ring
//              consumed_by_peer <= ever_sent             sent - min(consumed.., done) <= peer's
//   receiving: credited <= head <= tail                  tail - credited <= own receive ring
// done: puts up to here have happened and were seen to end, their bytes left our ring. The peer may
// have consumed more: their ends are late, or they count as lost. When a put is lost, sent goes
// back to done once the others have ended, or to where the peer says that it is.
#pragma once

#include <cstdint>

#include "io/fabric_stream_message.h"

namespace k42::io {

inline constexpr std::uint32_t kStreamStateV1 = 0;  // cobj transfer form

// How a stream is told what it is made of. Sizes are powers of two.
struct StreamShape {
  StreamId id = 0;
  std::uint32_t send_size = 0;
  std::uint32_t receive_size = 0;
  std::uint64_t receive_window = 0;  // how the peer names our receive ring
};

enum class StreamState : std::uint8_t { kIdle, kConnecting, kOpen, kClosed };

struct FabricStreamState {
  static constexpr std::uint32_t kMaxPuts = 8;  // under way at once
  struct Put {
    std::uint64_t end = 0;  // position behind its last byte
    bool ended = false;
    bool lost = false;
  };

  StreamShape shape;
  StreamState state = StreamState::kIdle;
  StreamId peer = 0;
  std::uint16_t local_port = 0;
  std::uint16_t peer_port = 0;
  std::uint64_t peer_window = 0;
  std::uint64_t peer_size = 0;

  std::uint64_t written = 0, sent = 0, done = 0, consumed_by_peer = 0;
  std::uint64_t ever_sent = 0;  // the highest `sent` there was: what the peer may speak of
  std::uint64_t head = 0, tail = 0, credited = 0;
  std::uint64_t peer_finish = 0;
  std::uint64_t timer_at_ns = 0, give_up_at_ns = 0, retry_delay_ns = 0;
  Status error = Status::kOk;

  std::uint64_t changes = 0;  // steps so far
  Put puts[kMaxPuts];         // in order of their positions, from the first not yet ended
  std::uint32_t put_count = 0;
  std::uint32_t send_count = 0;  // messages under way
  std::uint32_t activity = 0;    // abi/readiness.h bits that have an edge not yet told

  bool server = false;
  bool peer_knows_us = false;  // something addressed to our id has come
  bool peer_finish_known = false;
  bool write_shut = false, read_shut = false, closed_by_user = false;
  bool open_due = false, opened_due = false, tail_due = false, credit_due = false;
  bool finish_sent = false, finish_seen = false, finish_seen_due = false;
  bool reset_due = false, reset_sent = false;
  bool timer_due = false, released = false;
  bool broken = false;  // the way broke: when nothing is under way any more, all is said again
  bool rewind = false;  // a put was lost: when the others have ended, sending starts again at done
  bool paused = false;  // until the timer: the way does not take anything now
};

}  // namespace k42::io
