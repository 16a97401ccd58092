// OperatorCalls: what an operator asks of the cluster's objects, and of the ways to other nodes,
// through this node's daemon (abi/link_names.h). This kernel makes the calls and answers.
//
// Each request is served by a worker thread of CPU 0, at most kMaxCalls at once (kBusy), and
// answered once, at the latest a moment after its budget.
#pragma once

#include <cstdint>

#include "global/link_echo.h"
#include "global/object_directory.h"
#include "ipc/worker_pool.h"

namespace k42::global {

class OperatorCalls final : public ControlHandler {
 public:
  static constexpr std::uint32_t kMaxCalls = 8;

  OperatorCalls(ObjectDirectory& directory, GlobalNode& node, LinkEcho& echo, LinkControl& control,
                const ClusterView& view, Allocator& allocator)
      : directory_(directory),
        node_(node),
        echo_(echo),
        control_(control),
        view_(view),
        allocator_(allocator) {}

  void OnControl(abi::ControlKind kind, std::uint64_t number, Bytes payload) override;

 private:
  struct Job;

  static void Run(ipc::Work* work);
  abi::ObjectAnswer Serve(const abi::ObjectRequest& request, std::string_view name);
  Result<std::uint64_t> Act(const abi::ObjectRequest& request, ObjectClass kind,
                            std::string_view name);
  Status Ping(const abi::PingRequest& request, abi::PingAnswer* answer);

  ObjectDirectory& directory_;
  GlobalNode& node_;
  LinkEcho& echo_;
  LinkControl& control_;
  const ClusterView& view_;
  Allocator& allocator_;
  std::uint32_t jobs_ = 0;  // CPU 0's threads only
};

}  // namespace k42::global
