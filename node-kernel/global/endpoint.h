// Endpoint: what the call layer asks of the link, and what it is told by it.
//
// Promise per peer (node, incarnation): messages arrive in order and at most once while the
// endpoint is up; when it breaks, some may be lost. Messages of a peer outside the view are not
// brought. The call layer is told (OnPeerDown) when the endpoint broke (kEndpointDown) and when the
// peer left the view (any other status), on every CPU, and never from inside Send.
#pragma once

#include <cstdint>

#include "abi/frame.h"
#include "base/bytes.h"
#include "global/link_request.h"

namespace k42::global {

class Endpoint {
 public:
  virtual LinkPeer Self() const = 0;
  // Frame and payload are copied before Send returns. An error: nothing was sent, and nothing will
  // be reported; the sender may try again later.
  virtual Status Send(LinkPeer peer, std::uint32_t receiver_cpu, const abi::Frame& frame,
                      Bytes payload) = 0;
  // That life has left the view, so it will never answer again. Cheap; any thread.
  virtual bool HasLeft(LinkPeer peer) const = 0;

 protected:
  ~Endpoint() = default;
};

}  // namespace k42::global
