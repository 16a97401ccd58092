// Link: what users of the fabric in the kernel ask of it. Implemented by LinkPort; by a loopback in
// tests.
#pragma once

#include "global/link_memory.h"
#include "global/link_request.h"

namespace k42::global {

class Link {
 public:
  // This node as the cluster knows it now; incarnation 0: it does not yet.
  virtual LinkPeer Self() const = 0;
  // Starts the request; ends are reported on the submitting CPU, possibly before Submit returns.
  // Operations of one CPU begin in order.
  virtual void Submit(LinkRequest& request) = 0;
  virtual LinkMemory& memory() = 0;

 protected:
  ~Link() = default;
};

}  // namespace k42::global
