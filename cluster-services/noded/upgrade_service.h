// A node's part in upgrades: brings its kernel's classes to what the store says they should be,
// says what they are, and, on the member with the lowest number, takes the rollout's record from
// step to step. Nobody sends a node a command: it reads `upgrade/committed` and `upgrade/rollout`
// (upgrade/rollout.h) and converges.
//
// A guest that is new joins when its kernel runs what is committed (Daemon::SetJoinGate), so a
// restarted node never enters the view with a class behind the others.
//
// Threads: a worker of its own owns all state and makes the store's blocking calls; what the
// daemon's loop has to do (talk to the kernel, answer operators) is posted there, and what it hears
// is posted here. The store's watch posts, too.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "cluster-services/agent/task_thread.h"
#include "cluster-services/noded/control_server.h"
#include "cluster-services/noded/daemon.h"
#include "cluster-services/store/store.h"
#include "cluster-services/upgrade/kernel_link.h"
#include "cluster-services/upgrade/module_file.h"
#include "cluster-services/upgrade/rollout.h"

namespace k42::noded {

// What the store says, as of the last event of the watch.
struct UpgradeRecords {
  bool known = false;
  std::optional<upgrade::Rollout> rollout;
  store::Revision rollout_revision = 0;  // 0: there is none
  upgrade::Committed committed;
  store::Revision committed_revision = 0;  // 0: there is none
  std::set<std::string> unreadable;        // keys of these two, where the records make no sense
  std::map<upgrade::NodeId, upgrade::Actual> actuals;
};

class UpgradeService final : store::WatchHandler {
 public:
  // Without a store (folder membership) nothing is upgraded and requests are refused. The daemon
  // has its membership; both outlive this.
  UpgradeService(ControlServer& server, Daemon& daemon);
  ~UpgradeService() override;

 private:
  using Json = nlohmann::json;
  using Answer = std::function<Outcome<Json>()>;
  struct StartRequest {
    std::string class_name;
    bool back = false;
    std::string digest;                               // unless back
    std::vector<std::vector<upgrade::NodeId>> waves;  // empty: one member first, then the others
    std::uint32_t soak_ms = 0;
  };

  // -- the daemon's loop --
  void OnAttached(bool adopted, std::function<void()> join);
  void OnGuest(bool up);
  void Serve(std::shared_ptr<Connection> connection, const Json& request);
  static Outcome<StartRequest> ParseStart(const Json& request);
  void ServePush(std::shared_ptr<Connection> connection);
  void Reply(std::shared_ptr<Connection> connection, Answer answer);

  // -- the store's watch --
  void OnListing(const store::Listing& listing) override;
  void OnEvents(store::Revision revision, const std::vector<store::Event>& events) override;
  void OnDisturbed(const std::string&) override {}

  // -- the worker --
  agent::TaskThread::Time Turn();
  void See(const store::KeyValue& pair, bool deleted);
  void Converge();
  void BeginStep(const upgrade::KernelClass& present, const upgrade::KernelStep& step);
  void StepEnded(const std::string& class_name, upgrade::KernelStep::Kind kind, Status status,
                 const std::string& text);
  void Failed(const std::string& text);
  void SayActual();
  void Drive();
  Outcome<upgrade::SignedModule> FetchModule(const std::string& digest) const;
  Outcome<Done> Vouched(const upgrade::SignedModule& module) const;
  // What the lowest member sees, if this node is it and may decide.
  std::shared_ptr<const agent::Installed> Authority(bool lowest) const;
  Outcome<Json> Push(const std::string& text);
  Outcome<Json> Start(const StartRequest& wanted);
  Outcome<Json> AbortRollout(const std::string& reason);
  Outcome<Json> Describe() const;
  upgrade::Release BuiltIn(const std::string& class_name) const;

  Daemon& daemon_;
  const std::string cluster_;
  const upgrade::NodeId node_;
  store::Store* const store_;                  // the membership's
  std::unique_ptr<upgrade::KernelLink> link_;  // the loop's

  // The worker's.
  UpgradeRecords records_;
  bool attached_ = false;
  std::uint64_t guest_ = 0;            // counts guests: what an earlier one said does not count
  std::function<void()> join_;         // wanted by the loop, when the kernel has converged
  view::Incarnation incarnation_ = 0;  // 0: not joined
  std::optional<upgrade::KernelReport> report_;
  bool stepping_ = false;
  std::uint64_t ask_at_ms_ = 0, retry_at_ms_ = 0;
  std::string failed_, failed_rollout_;
  std::optional<upgrade::Actual> said_;
  store::LeaseId said_lease_ = store::kNoLease;

  std::unique_ptr<store::Watch> watch_;
  std::unique_ptr<agent::TaskThread> worker_;
};

}  // namespace k42::noded
