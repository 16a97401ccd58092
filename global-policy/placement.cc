#include "global-policy/placement.h"

namespace k42::policy {
namespace {

// Smaller differences of load are noise: means that decay, reports of different age.
constexpr std::uint32_t kNoiseX100 = 25;

bool Fits(const NodeModel& node, const Request& request) {
  return node.accepts && node.cpus != 0 && node.memory_free >= request.memory_each;
}

// a's load per CPU is lower than b's, without division.
bool LessLoaded(const NodeModel& a, const NodeModel& b) {
  const std::uint64_t left = std::uint64_t{a.runnable_x100} * b.cpus;
  const std::uint64_t right = std::uint64_t{b.runnable_x100} * a.cpus;
  return left != right ? left < right : a.node < b.node;
}

// A CPU is free for one more process.
bool HasIdleCpu(const NodeModel& node) {
  return std::uint64_t{node.runnable_x100} + 50 < std::uint64_t{node.cpus} * 100;
}

// The fuller node first, as long as it has a free CPU; when none has, the least loaded.
bool PacksBetter(const NodeModel& a, const NodeModel& b) {
  const bool a_idle = HasIdleCpu(a);
  const bool b_idle = HasIdleCpu(b);
  if (a_idle != b_idle)
    return a_idle;
  if (!a_idle)
    return LessLoaded(a, b);
  const std::uint64_t a_left = std::uint64_t{a.cpus} * 100 - a.runnable_x100;
  const std::uint64_t b_left = std::uint64_t{b.cpus} * 100 - b.runnable_x100;
  return a_left != b_left ? a_left < b_left : a.node < b.node;
}

template <typename Better>
Status PlaceBy(std::span<NodeModel> nodes, const Request& request,
               std::span<std::uint32_t> placement, Better better) {
  if (request.processes == 0 || placement.size() < request.processes)
    return Status::kInvalidArgument;
  for (NodeModel& node : nodes)
    node.runnable_x100 = (node.runnable_x100 + kNoiseX100 / 2) / kNoiseX100 * kNoiseX100;
  bool any_accepts = false;
  std::uint64_t room = 0;  // processes that fit by memory, so that failure writes nothing
  for (const NodeModel& node : nodes) {
    if (!node.accepts || node.cpus == 0)
      continue;
    any_accepts = true;
    const std::uint64_t here =
        request.memory_each == 0 ? request.processes : node.memory_free / request.memory_each;
    room += here < request.processes ? here : request.processes;
  }
  if (!any_accepts)
    return Status::kUnavailable;
  if (room < request.processes)
    return Status::kNoMemory;
  for (std::uint32_t i = 0; i < request.processes; ++i) {
    NodeModel* best = nullptr;
    for (NodeModel& node : nodes) {
      if (Fits(node, request) && (best == nullptr || better(node, *best)))
        best = &node;
    }
    placement[i] = best->node;
    best->runnable_x100 += 100;
    best->memory_free -= request.memory_each;
  }
  return Status::kOk;
}

}  // namespace

Status Spread(std::span<NodeModel> nodes, const Request& request,
              std::span<std::uint32_t> placement) {
  return PlaceBy(nodes, request, placement, LessLoaded);
}

Status Pack(std::span<NodeModel> nodes, const Request& request,
            std::span<std::uint32_t> placement) {
  return PlaceBy(nodes, request, placement, PacksBetter);
}

Status Place(Kind kind, std::span<NodeModel> nodes, const Request& request,
             std::span<std::uint32_t> placement) {
  return kind == Kind::kPack ? Pack(nodes, request, placement) : Spread(nodes, request, placement);
}

}  // namespace k42::policy
