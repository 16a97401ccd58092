// Who reaches the ObjectDirectory from outside the kernel's own threads: other nodes (ObjectHost)
// and this node's processes (ClusterObjects). Shared reps without state of their own.
#pragma once

#include "global/cluster_objects.idl.h"
#include "global/object_directory.h"
#include "global/object_host.idl.h"

namespace k42::global {

class ObjectHost final : public IObjectHost {
 public:
  using Interface = IObjectHost;
  explicit ObjectHost(ObjectDirectory& directory) : directory_(directory) {}

  Result<std::uint64_t> Swap(ObjectClass kind, BufferIn name) override;
  Status Remove(ObjectClass kind, BufferIn name) override;

 private:
  ObjectDirectory& directory_;
};

class ClusterObjects final : public IClusterObjects {
 public:
  using Interface = IClusterObjects;
  explicit ClusterObjects(ObjectDirectory& directory) : directory_(directory) {}

  Result<cobj::Granted<IClusterCounter>> OpenCounter(const cobj::CallContext& caller, BufferIn name,
                                                     std::uint32_t flags) override;
  Result<cobj::Granted<IClusterBarrier>> OpenBarrier(const cobj::CallContext& caller, BufferIn name,
                                                     std::uint32_t flags,
                                                     std::uint32_t parties) override;

 private:
  Result<cobj::RefBits> Open(ObjectClass kind, BufferIn name, std::uint32_t flags,
                             std::uint64_t parameter);

  ObjectDirectory& directory_;
};

}  // namespace k42::global
