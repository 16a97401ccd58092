// Where should new processes run? Pure functions over what the nodes last reported: no clock, no
// allocation, no state, so that the node kernel, the daemons and a simulation give one answer.
//
//   Spread  one process at a time to the node with the least load per CPU; for jobs that want
//           memory bandwidth and for services.
//   Pack    fills a node's CPUs before it opens the next; for jobs whose processes talk much.
//
// Both are deterministic: equal nodes are taken in the order of their ids, and loads are equal that
// differ by less than about a quarter of a CPU. Reports are seconds old,
// so what a request itself places is counted in before its next process is placed.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"

namespace k42::policy {

struct NodeModel {
  std::uint32_t node = 0;
  std::uint32_t cpus = 0;
  std::uint32_t runnable_x100 = 0;  // runnable dispatchers, in hundredths
  std::uint64_t memory_free = 0;    // bytes
  bool accepts = true;              // false: draining, or fenced
};

struct Request {
  std::uint32_t processes = 1;
  std::uint64_t memory_each = 0;  // bytes; 0: unknown, then memory decides nothing
};

enum class Kind : std::uint8_t { kSpread, kPack };

// Writes the node of each process to `placement` (of at least request.processes elements).
//   kInvalidArgument  no process, or `placement` too short
//   kUnavailable      no node accepts
//   kNoMemory         no accepting node has memory_each left for some process; nothing is written
// `nodes` is scratch: the policies count what they place into it.
Status Spread(std::span<NodeModel> nodes, const Request& request,
              std::span<std::uint32_t> placement);
Status Pack(std::span<NodeModel> nodes, const Request& request, std::span<std::uint32_t> placement);
Status Place(Kind kind, std::span<NodeModel> nodes, const Request& request,
             std::span<std::uint32_t> placement);

}  // namespace k42::policy
