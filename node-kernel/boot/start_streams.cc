#include "boot/start_streams.h"

#include "base/assert.h"
#include "boot/start_files.h"
#include "mem/heap.h"

namespace k42::boot {

namespace {
constinit io::FabricNetwork* network = nullptr;
}

global::LinkReceiver& StartStreams(global::Link& link, const global::ClusterView& view) {
  const auto made = mem::New<io::FabricNetwork>(link, view, Sockets());
  K42_ASSERT(made.ok() && made.value()->Start() == Status::kOk, "memory for streams");
  network = made.value();
  Sockets().SetFabric(*network);
  return *network;
}

io::FabricNetwork& Streams() {
  return *network;
}

}  // namespace k42::boot
