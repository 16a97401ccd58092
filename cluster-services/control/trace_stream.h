// What `trace read` answers: first a kReply frame with the node's clock (README.md), then chunks in
// kOutput frames (a chunk may span several), then kExit.
//
// A chunk is a TraceChunk and behind it `words` 64-bit words: its events, each as its number in its
// buffer, its context, and the record as it stands there (abi/trace_event.h).
#pragma once

#include <cstdint>

namespace k42::control {

enum class TraceSource : std::uint32_t { kCpu = 0, kProgram = 1 };

struct TraceChunk {
  TraceSource source;
  std::uint32_t number;   // CPU, or the process's
  std::uint64_t buffer;   // tells buffers apart
  std::uint64_t logged;   // events ever written to it
  std::uint64_t seen;     // of those, given in this answer so far
  std::uint64_t lost;     // overwritten before they could be given
  std::uint64_t dropped;  // not written, for want of a free block
  std::uint64_t words;
};
static_assert(sizeof(TraceChunk) == 56);

}  // namespace k42::control
