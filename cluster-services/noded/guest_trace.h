// GuestTrace: the trace buffers of a guest, read out of its RAM without its help
// (abi/trace_area.h). Each Poll gives what has come since the one before.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "abi/trace_area.h"
#include "abi/trace_reader.h"
#include "cluster-services/control/trace_stream.h"
#include "interconnect/guest_memory.h"

namespace k42::noded {

class GuestTrace {
 public:
  explicit GuestTrace(const interconnect::GuestMemory& memory) : memory_(memory) {}

  // The area as it is now. False: the guest has not got that far, or is gone.
  bool ReadArea(trace::TraceArea* area);
  // Appends chunks (control/trace_stream.h) to `to`. `last`: nothing is waited for any more.
  bool Poll(bool last, std::string* to);

 private:
  struct Shape {
    std::uint64_t address;
    std::uint32_t block_bytes;
  };
  void PollBuffer(const Shape& shape, trace::ReadState* state, bool last,
                  control::TraceSource source, std::uint32_t number, std::string* to);

  const interconnect::GuestMemory& memory_;
  std::uint64_t area_ = 0;  // physical; 0: not found yet
  std::map<std::uint64_t, trace::ReadState> cpus_;
  struct Program {
    std::uint64_t turn = 0;  // of which `state` is
    trace::ReadState state;
  };
  Program programs_[trace::kMaxUserTraces];
};

}  // namespace k42::noded
