// Which processes may have this node's arena mapped: neighbours' daemons, written down in the arena
// (abi::ArenaHolder) before they are given its descriptor, so that a new daemon knows whom its
// predecessor's windows are to be wrested from.
//
// A holder of our own is a connection, and ends with it (mapped_transport.h). One that a
// predecessor left is an *heir*, whose connection is gone; it has let go
//   - when its process has ended, or
//   - when it is connected anew: it unmaps before it connects again, or
//   - for the windows revoked before, when the host shows no mapping of the arena in that process:
//     what it begins afterwards it checks against the windows as they are then. If it has spoken on
//     its connection, the descriptor is not on its way to it any more either, and it is forgotten.
// Who cannot be looked at (no descriptor is left for it, no permission) holds.
//
// The kernel can write to these words, too, and harms itself by it: a revocation that waits for a
// process that has never been given anything, or none that waits.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "interconnect/arena.h"

namespace k42::interconnect {

class ArenaHolders {
 public:
  using Slot = std::uint32_t;
  struct Process {
    std::uint32_t id = 0;
    std::uint64_t started = 0;
    bool operator==(const Process&) const = default;
  };

  explicit ArenaHolders(Arena& arena) : arena_(arena) {}

  // Who connected this socket; id 0: it cannot be seen from here.
  static Process PeerOf(int socket);

  // Once the arena is formatted, before anybody is given it: what predecessors left.
  void Adopt();
  // Before `process` is given the arena. What it held of a predecessor's it has let go of: returns
  // these heirs' slots in `let_go`. kNoSpace: there is no place to write it down.
  Result<Slot> Enter(const Process& process, std::vector<Slot>* let_go);
  // Something came from it.
  void Spoke(Slot slot);
  // End of its connection.
  void Leave(Slot slot);

  // Heirs that may touch a window that is closed now; who cannot any more is forgotten.
  std::vector<Slot> HeirsHolding();
  bool HeirHolds(Slot slot);

 private:
  abi::ArenaHolder& At(Slot slot) { return arena_.daemon().holders[slot]; }
  void Forget(Slot slot);

  Arena& arena_;
  std::map<Slot, Process> heirs_;
};

}  // namespace k42::interconnect
