// LinkEndpoint: the call layer's endpoint over the link, and its receiver of what arrives.
//
// Each message sent is a LinkRequest with a copy of the payload, made on the heap and freed when
// the fabric has done with it. Whether it arrived is not reported to the call layer: it asks again
// anyway. Messages arrive on the link thread of the CPU concerned, which hands them to that CPU's
// part of the node; executing a request is its serving threads' business, so nothing blocks here.
#pragma once

#include "base/allocator.h"
#include "global/cluster_view.h"
#include "global/endpoint.h"
#include "global/global_node.h"
#include "global/link_port.h"

namespace k42::global {

class LinkEndpoint final : public Endpoint, public LinkReceiver {
 public:
  LinkEndpoint(LinkPort& port, const ClusterView& view, Allocator& allocator)
      : port_(port), view_(view), allocator_(allocator), node_(*this, allocator) {}

  GlobalNode& node() { return node_; }

  // -- Endpoint --
  LinkPeer Self() const override { return port_.Self(); }
  Status Send(LinkPeer peer, std::uint32_t receiver_cpu, const abi::Frame& frame,
              Bytes payload) override;
  bool HasLeft(LinkPeer peer) const override { return view_.HasLeft(peer); }

  // -- LinkReceiver --
  void OnMessage(LinkPeer from, const abi::Frame& frame, Bytes payload) override {
    node_.OnMessage(from, frame, payload);
  }
  void OnPeerDown(LinkPeer peer, Status why) override { node_.OnPeerDown(peer, why); }

 private:
  struct Letter;
  // How long the fabric may try: a later repetition replaces it.
  static constexpr std::uint64_t kSendBudgetNs = 1'000'000'000;

  LinkPort& port_;
  const ClusterView& view_;
  Allocator& allocator_;
  GlobalNode node_;
};

}  // namespace k42::global
