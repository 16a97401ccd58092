#include "global/cluster_view.h"

#include "base/assert.h"

namespace k42::global {

void ClusterView::AddListener(ViewListener& listener) {
  K42_ASSERT(listener_count_ < kMaxListeners, "too many listeners to the view");
  listeners_[listener_count_++] = &listener;
}

Status ClusterView::Install(Bytes payload) {
  const auto header = TRY(ReadAt<abi::ViewHeader>(payload, 0));
  if (header.count > kMaxNode ||
      payload.size() != sizeof header + header.count * sizeof(abi::ViewMember))
    return Status::kCorrupt;
  if (header.epoch < epoch())
    return Status::kOk;  // late
  std::uint64_t next[kMaxNode + 1] = {};
  for (std::uint32_t i = 0; i < header.count; ++i) {
    const auto member =
        TRY(ReadAt<abi::ViewMember>(payload, sizeof header + i * sizeof(abi::ViewMember)));
    if (member.node == 0 || member.node > kMaxNode || next[member.node] != 0)
      return Status::kCorrupt;
    next[member.node] = member.incarnation;
  }
  std::uint64_t gone[kMaxNode + 1] = {};
  for (std::uint32_t node = 1; node <= kMaxNode; ++node) {
    const std::uint64_t before = incarnations_[node].load(std::memory_order_relaxed);
    if (before == next[node])
      continue;
    gone[node] = before;
    if (before != 0)
      left_[node].store(before, std::memory_order_release);
    incarnations_[node].store(next[node], std::memory_order_release);
  }
  epoch_.store(header.epoch, std::memory_order_release);
  for (std::uint32_t i = 0; i < listener_count_; ++i) {
    for (std::uint32_t node = 1; node <= kMaxNode; ++node) {
      if (gone[node] != 0)
        listeners_[i]->OnMemberGone({node, gone[node]});
    }
    listeners_[i]->OnViewInstalled(header.epoch);
  }
  return Status::kOk;
}

LinkPeer ClusterView::Member(std::uint32_t node) const {
  if (node > kMaxNode)
    return {};
  return {node, incarnations_[node].load(std::memory_order_acquire)};
}

LinkPeer ClusterView::Next(std::uint32_t node) const {
  while (++node <= kMaxNode) {
    const LinkPeer member = Member(node);
    if (member.incarnation != 0)
      return member;
  }
  return {};
}

}  // namespace k42::global
