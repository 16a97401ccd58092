#include "boot/start_global.h"

#include "boot/start_processes.h"
#include "cobj/make.h"
#include "global/cluster_counter.h"
#include "global/cluster_counter.wire.h"
#include "global/cluster_objects.dispatch.h"
#include "global/link_endpoint.h"
#include "global/object_host.wire.h"
#include "global/object_services.h"
#include "global/operator_calls.h"
#include "mem/heap.h"

namespace k42::boot {

namespace {

constinit global::LinkEndpoint* endpoint = nullptr;
constinit global::ObjectDirectory* directory = nullptr;

// What other nodes find here without having looked up a name.
Status ExportWellKnown(global::ExportTable& exports) {
  const auto host = TRY(cobj::MakeShared<global::ObjectHost>(*directory));
  exports.ExportAs(global::WellKnown::kObjectHost, host.bits(), global::kObjectHostClass);
  // For other nodes to try the way here.
  const auto counter = TRY(cobj::MakeShared<global::ClusterCounter>());
  exports.ExportAs(global::WellKnown::kTestCounter, counter.bits(), global::kClusterCounterClass);
  return Status::kOk;
}

}  // namespace

global::GlobalNode* TheGlobalNode() {
  return endpoint == nullptr ? nullptr : &endpoint->node();
}
global::ObjectDirectory* TheObjects() {
  return directory;
}

Result<global::LinkReceiver*> StartGlobal(const GlobalParts& parts) {
  Allocator& heap = mem::TheHeap();
  endpoint = TRY(heap.Make<global::LinkEndpoint>(parts.port, parts.view, heap));
  global::GlobalNode& node = endpoint->node();
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) TRY(node.AddCpu(cpu));
  auto* names = TRY(heap.Make<global::NameClient>(parts.control));
  parts.control.SetHandler(abi::ControlKind::kNameAnswer, *names);
  directory = TRY(heap.Make<global::ObjectDirectory>(node, *names));
  TRY(ExportWellKnown(node.exports()));
  const auto service = TRY(cobj::MakeShared<global::ClusterObjects>(*directory));
  Processes().fixed[abi::kClusterHandle] = {service.bits(), kAllRights,
                                            &global::kClusterObjectsInfo};
  auto* calls = TRY(heap.Make<global::OperatorCalls>(*directory, node, parts.echo, parts.control,
                                                     parts.view, heap));
  for (const auto kind : {abi::ControlKind::kObjectRequest, abi::ControlKind::kPingRequest})
    parts.control.SetHandler(kind, *calls);
  return static_cast<global::LinkReceiver*>(endpoint);
}

}  // namespace k42::boot
