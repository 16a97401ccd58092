// A rollout: one record that takes a class of the whole cluster from one module to the next.
//
// Nobody sends a node a command. A node reads the record, converges to the version desired for it
// and says so under a key bound to its lease; the record is changed only by transactions on its own
// revision. So an orchestrator that is late, dead or doubled can do no harm.
//
//   <root>/upgrade/committed        Committed: what every member runs, and a joiner must
//   <root>/upgrade/rollout          Rollout: at most one at a time
//   <root>/upgrade/actual/<node>    Actual, bound to the node's lease
//   /k42-modules/<cluster>/<digest> the module's file and signature
//
// Phases:
//   kRolling --all converged, soaked--> kPromoted --> (ended)
//      \--a node failed, or Abort--> kRollingBack --all back--> kRolledBack --> (ended)
// Promotion is one transaction over record and Committed. Before it, whatever happens leads back to
// `from`; after it, whatever happens leads forward to `to`: a node that joins or restarts runs what
// DesiredFor says before it enters the view.
//
// Everything here is a pure function over records and a clock; k42-noded carries it out
// (noded/upgrade_service.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster-services/support/outcome.h"
#include "cluster-services/view/view.h"

namespace k42::upgrade {

using view::NodeId;

// A class as one module (or the kernel image itself: empty digest) implements it.
struct Release {
  std::uint32_t version = 0;
  std::string digest;  // SHA-256 of the module, hex; empty: built into the kernel

  bool operator==(const Release&) const = default;
};

// The way a class has come from what the kernel was built with: module after module. Kernels load
// them in this order, and a way back takes the last one away.
using Path = std::vector<Release>;

// `path`, taken to `to`: back to it if it lies on the path (or is built in), else one further.
Path Towards(const Path& path, const Release& to);

// What every member runs, by class; classes not named run what their kernel was built with.
struct Committed {
  std::map<std::string, Path> classes;

  // Empty: as built.
  Path PathOf(const std::string& class_name) const;
  Release ReleaseOf(const std::string& class_name, const Release& built_in) const;
  // The digest that stands in a member's view entry.
  std::string Digest() const;
  bool operator==(const Committed&) const = default;
};

enum class Phase { kRolling, kPromoted, kRollingBack, kRolledBack };

struct Rollout {
  std::string id;
  std::string class_name;
  Release from;
  Release to;
  std::vector<std::vector<NodeId>> waves;  // each waits until the one before has soaked
  std::uint32_t soak_ms = 0;               // how long a wave must stand before the next begins
  Phase phase = Phase::kRolling;
  std::uint32_t wave = 0;              // waves up to this one are desired at `to`
  std::uint64_t wave_ready_at_ms = 0;  // orchestrator's clock; 0: the wave has not converged yet
  std::string reason;                  // why it rolls back

  bool Ended() const { return phase == Phase::kPromoted || phase == Phase::kRolledBack; }
  bool operator==(const Rollout&) const = default;
};

// What a node says of itself.
struct Actual {
  NodeId node = 0;
  view::Incarnation incarnation = 0;
  std::map<std::string, Release> classes;
  std::string failed;   // non-empty: it could not converge, and why; it runs what `classes` says
  std::string rollout;  // the id of the rollout that `failed` is about

  bool operator==(const Actual&) const = default;
};

// What `node` has to run of the rollout's class now. A node in no wave (it joined later) counts as
// one of the last wave.
Release DesiredFor(const Rollout& rollout, NodeId node);

// The way that `node` has to have gone with a class: what is committed, and what a rollout that has
// not ended wants of it.
Path DesiredPath(const Committed& committed, const std::optional<Rollout>& rollout,
                 const std::string& class_name, NodeId node);

// A new rollout: refuses a version that is not the neighbour of what is committed
// (kVersionMismatch), a second rollout at a time (kBusy), an empty or doubled plan
// (kInvalidArgument).
Outcome<Rollout> Begin(const std::string& id, const std::string& class_name, const Release& to,
                       const Committed& committed, Release built_in,
                       const std::vector<std::vector<NodeId>>& waves, std::uint32_t soak_ms,
                       const std::optional<Rollout>& current);

// The record after the next step, if there is one to make now.
std::optional<Rollout> Next(const Rollout& rollout, const view::View& view,
                            const std::map<NodeId, Actual>& actuals, std::uint64_t now_ms);

// The record of a rollout called off; kRefused once it is promoted or over.
Outcome<Rollout> Abort(const Rollout& rollout, const std::string& reason);

// What is committed once `rollout` (phase kPromoted) stands.
Committed After(const Committed& committed, const Rollout& rollout);

// Why it does not go on: a sentence for each node it waits for.
std::vector<std::string> WhyWaiting(const Rollout& rollout, const view::View& view,
                                    const std::map<NodeId, Actual>& actuals);

}  // namespace k42::upgrade
