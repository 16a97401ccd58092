// The kernel's way to the cluster's tree of names (abi/link_names.h, kNameRequest).
//
// A lookup is answered from the cache at once. A change waits for the store, so it is made by a
// thread of its own and answered on the loop's; the answer is dropped if that life of the guest is
// over by then. What a kernel binds is ephemeral: it goes with the node's incarnation. Requests are
// checked for shape: a bad one is answered kInvalidArgument and harms nothing.
#pragma once

#include "abi/link_names.h"
#include "cluster-services/agent/task_thread.h"
#include "cluster-services/noded/daemon.h"

namespace k42::noded {

class KernelNames {
 public:
  explicit KernelNames(Daemon& daemon);

 private:
  void OnRequest(const abi::Frame& frame, std::span<const std::byte> payload);
  void Change(const abi::NameRequest& request, std::uint64_t number, std::string path,
              std::string value);
  void Answer(std::uint64_t number, abi::NameAnswer answer, std::string_view value = {});

  Daemon& daemon_;
  agent::TaskThread thread_;  // last: ends first
};

}  // namespace k42::noded
