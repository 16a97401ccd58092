// What a stream hands its connection at once, and what it tells of itself to people.
#pragma once

#include <cstdint>

#include "io/fabric_stream.h"

namespace k42::io {

// What poll shows after so many changes of the stream: of two looks the later one holds, whoever is
// first to tell.
struct StreamLook {
  std::uint64_t change = 0;
  StreamReadiness ready{};
  std::uint32_t activity = 0;  // abi/readiness.h bits that got something new; each told once
};

struct StreamBatch {
  static constexpr std::uint32_t kMost = 4;
  StreamAction actions[kMost];
  std::uint32_t count = 0;
  StreamLook look;
};

struct StreamDescription {
  std::uint32_t class_version = 0;
  StreamState state = StreamState::kIdle;
  StreamId id = 0;
  StreamId peer = 0;
  std::uint16_t local_port = 0;
  std::uint16_t peer_port = 0;
  std::uint64_t sent = 0;      // bytes since the stream began
  std::uint64_t received = 0;  // likewise
  std::uint64_t unsent = 0;
  std::uint64_t unread = 0;
  std::uint64_t puts = 0;     // versions that do not count them: 0
  std::uint64_t credits = 0;  // likewise
};

}  // namespace k42::io
