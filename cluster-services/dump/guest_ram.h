// A guest's RAM, found from outside: QEMU says at which of its own addresses a piece of the guest's
// memory lies, and /proc which file that is (memfd: the node's RAM and arena). What is not a file
// of its own (a bare node's RAM, the firmware) is read out of QEMU's address space.
#pragma once

#include <string_view>
#include <vector>

#include "cluster-services/dump/qemu_monitor.h"
#include "cluster-services/support/outcome.h"
#include "interconnect/guest_memory.h"

namespace k42::dump {

struct RamPiece {
  std::uint64_t address;  // guest-physical
  std::uint64_t size;

  friend bool operator==(const RamPiece&, const RamPiece&) = default;
};

// Those of the system's memory in the text of QEMU's `info mtree -f`, lowest first.
std::vector<RamPiece> ParseMemoryTree(std::string_view text);

// A line of /proc/PID/maps.
struct HostMapping {
  std::uint64_t begin, end, offset, inode;

  friend bool operator==(const HostMapping&, const HostMapping&) = default;
};
std::vector<HostMapping> ParseMaps(std::string_view text);

// Adds all of it to `memory`.
Outcome<Done> FindGuestRam(QemuMonitor& monitor, interconnect::GuestMemory* memory);

}  // namespace k42::dump
