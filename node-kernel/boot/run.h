// One run, and where it stands. Private to run_*.cc.
#pragma once

#include "boot/run_agent.h"

namespace k42::boot {

struct RunAgent::Run {
  std::uint64_t number = 0;
  std::uint32_t place = 0;  // in the table
  std::uint32_t process = 0;
  cobj::Ref<fs::IOpenFile> ends[kStreams];  // write end, read end, read end
  bool open[kStreams] = {};
  std::uint32_t credit[kStreams] = {0, abi::kRunWindow, abi::kRunWindow};  // may still be sent
  // What came in and is not yet written.
  std::byte input[abi::kRunWindow];
  std::uint32_t input_size = 0;
  bool input_ends = false;
  bool wanted = true;  // not started yet
  bool ended = false;
  std::uint32_t wait_status = 0;
  bool terminal = false;
  // The terminal's way to say that input ends: keys that are still to be typed.
  bool end_typed = false;
  std::uint32_t end_keys = 0;
  bool amid_line = false;  // what was typed last has not ended its line
  std::uint32_t rows = 0, columns = 0;
  bool resized = false;
  std::size_t words_size = 0;
  std::byte words[abi::kMaxMessage];
};

}  // namespace k42::boot
