// Job control as terminals need it: who calls, who is in the foreground, whom to signal. The
// process layer's records decide; a terminal only remembers its session and foreground group.
#pragma once

#include <cstdint>

#include "cobj/call_context.h"

namespace k42::io {

class JobControl {
 public:
  struct Place {
    std::uint32_t task = 0;  // 0: the kernel itself
    std::uint32_t group = 0;
    std::uint32_t session = 0;
    std::uint64_t terminal = 0;  // device number of the session's controlling terminal
    bool leads_session() const { return task != 0 && task == session; }
  };
  virtual Status Find(const cobj::CallContext& caller, Place* place) = 0;
  virtual void SignalGroup(std::uint32_t group, std::uint32_t signal) = 0;
  // Nobody outside the group could continue it, if it were stopped.
  virtual bool IsOrphaned(std::uint32_t group) = 0;
  // Of the caller's session, whose leader it is; 0 takes it away.
  virtual Status SetTerminal(const Place& caller, std::uint64_t terminal) = 0;
  virtual Status SetForeground(const Place& caller, std::uint32_t group) = 0;

 protected:
  ~JobControl() = default;
};

}  // namespace k42::io
