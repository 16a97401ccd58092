// The traces of nodes, fetched from their daemons and laid over each other on the hosts' clock.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "abi/trace_event.h"
#include "cluster-services/control/client.h"
#include "cluster-services/control/places.h"
#include "cluster-services/control/trace_stream.h"

namespace k42::ctl {

// From a node's cycles to time.
class NodeClock {
 public:
  NodeClock() = default;
  explicit NodeClock(const control::Json& description);

  std::uint64_t SinceBoot(std::uint64_t cycles) const;
  // Host ns since 1970; without any pair (the node never answered) as SinceBoot.
  std::uint64_t OfHost(std::uint64_t cycles) const;
  bool synchronized() const { return !pairs_.empty(); }
  std::uint64_t error_ns() const { return synchronized() ? pairs_.back().error_ns : 0; }

 private:
  struct Pair {
    std::uint64_t cycles, host_ns, error_ns;
  };
  double ns_per_cycle_ = 1;
  std::uint64_t mult_ = 1, shift_ = 0, base_cycles_ = 0, base_ns_ = 0;
  std::vector<Pair> pairs_;
};

struct TraceRecord {
  std::uint64_t cycles;
  std::uint64_t ns;  // on whichever clock was asked for
  std::uint32_t node;
  control::TraceSource source;
  std::uint32_t number;  // CPU or process
  std::uint64_t sequence;
  std::uint64_t context;
  trace::Header header;
  std::vector<std::uint64_t> arguments;
};

struct NodeTrace {
  std::uint32_t node = 0;
  std::uint32_t cpus = 0;
  NodeClock clock;
  std::vector<control::TraceChunk> buffers;  // each as it stood at last
  std::vector<TraceRecord> records;          // buffer by buffer
};

// Reads one node. `on_records`: called whenever some have come, if set, and they are not kept; for
// `follow`, which goes on until the node ends.
Outcome<NodeTrace> GatherTrace(const control::Cluster& cluster, const std::string& node,
                               bool follow, const std::function<void(NodeTrace&)>& on_records = {});

// Sets `ns` of all records, and returns them in order of time.
std::vector<TraceRecord> MergeTraces(std::vector<NodeTrace>& nodes, bool host_clock);

}  // namespace k42::ctl
