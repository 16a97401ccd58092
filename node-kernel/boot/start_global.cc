#include "boot/start_global.h"

#include "cobj/make.h"
#include "global/cluster_counter.h"
#include "global/cluster_counter.wire.h"
#include "global/link_endpoint.h"
#include "mem/heap.h"

namespace k42::boot {

namespace {
constinit global::LinkEndpoint* endpoint = nullptr;
}

global::GlobalNode* TheGlobalNode() {
  return endpoint == nullptr ? nullptr : &endpoint->node();
}

Result<global::LinkReceiver*> StartGlobal(global::LinkPort& port) {
  endpoint = TRY(mem::TheHeap().Make<global::LinkEndpoint>(port, mem::TheHeap()));
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) TRY(endpoint->node().AddCpu(cpu));
  // One well-known object from the start, for other nodes to try the way here.
  const auto counter = TRY(cobj::MakeShared<global::ClusterCounter>());
  (void)endpoint->node().exports().ExportAs(port.Self(), global::WellKnown::kTestCounter,
                                            counter.bits(), global::kClusterCounterClass);
  return static_cast<global::LinkReceiver*>(endpoint);
}

}  // namespace k42::boot
