// The view as this kernel has installed it: which life of each node is a member.
//
// The daemon hands views over after its transports follow them, so what is not in here cannot reach
// us any more. Readers are lock-free and see single nodes: between two views some nodes are still
// the old one's, as on any two machines that learn of a change one after the other. The epoch is
// published last.
//
// Install is called by one CPU only (control messages come to CPU 0).
#pragma once

#include <atomic>
#include <cstdint>

#include "abi/link_control.h"
#include "base/bytes.h"
#include "global/link_request.h"

namespace k42::global {

class ViewListener {
 public:
  // After the view is installed. `gone` was a member and is not any more.
  virtual void OnMemberGone(LinkPeer gone) = 0;
  virtual void OnViewInstalled(std::uint64_t epoch) = 0;

 protected:
  ~ViewListener() = default;
};

class ClusterView {
 public:
  static constexpr std::uint32_t kMaxNode = abi::kMaxNode;
  static constexpr std::uint32_t kMaxListeners = 8;

  // Before the first view.
  void AddListener(ViewListener& listener);

  // A kView message's payload: kCorrupt, and nothing changed, unless it is one.
  Status Install(Bytes payload);

  std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }
  // The member with that number; incarnation 0: there is none.
  LinkPeer Member(std::uint32_t node) const;
  bool Contains(LinkPeer peer) const { return peer.incarnation != 0 && Member(peer.node) == peer; }
  // Was a member once, by a view installed here, and is not any more: for ever.
  bool HasLeft(LinkPeer peer) const {
    return peer.node <= kMaxNode &&
           peer.incarnation <= left_[peer.node].load(std::memory_order_acquire);
  }
  // The member with the lowest number above `node`; node 0: there is none.
  LinkPeer Next(std::uint32_t node) const;

 private:
  std::atomic<std::uint64_t> epoch_{0};
  std::atomic<std::uint64_t> incarnations_[kMaxNode + 1] = {};
  std::atomic<std::uint64_t> left_[kMaxNode + 1] = {};  // the last life of each that is over
  ViewListener* listeners_[kMaxListeners] = {};
  std::uint32_t listener_count_ = 0;
};

}  // namespace k42::global
