#include "cluster-services/upgrade/rollout.h"

#include <algorithm>
#include <set>

namespace k42::upgrade {

namespace {

std::optional<std::size_t> WaveOf(const Rollout& rollout, NodeId node) {
  for (std::size_t i = 0; i < rollout.waves.size(); i++)
    if (std::find(rollout.waves[i].begin(), rollout.waves[i].end(), node) != rollout.waves[i].end())
      return i;
  return std::nullopt;
}

// What the member's own, current incarnation says; null if it has said nothing yet.
const Actual* Said(const std::map<NodeId, Actual>& actuals, const view::Member& member) {
  auto found = actuals.find(member.node);
  bool mine = found != actuals.end() && found->second.incarnation == member.incarnation;
  return mine ? &found->second : nullptr;
}

bool Runs(const Actual* actual, const std::string& class_name, const Release& release) {
  if (actual == nullptr)
    return false;
  auto found = actual->classes.find(class_name);
  return found != actual->classes.end() && found->second == release;
}

// The node tried in this rollout, and could not.
bool HasFailed(const Actual& actual, const Rollout& rollout) {
  return !actual.failed.empty() && actual.rollout == rollout.id;
}

bool Converged(const Rollout& rollout, const view::View& view,
               const std::map<NodeId, Actual>& actuals) {
  return std::all_of(view.members.begin(), view.members.end(), [&](const view::Member& member) {
    return Runs(Said(actuals, member), rollout.class_name, DesiredFor(rollout, member.node));
  });
}

// The first member that tried and could not; only those asked to change count.
const Actual* Failure(const Rollout& rollout, const view::View& view,
                      const std::map<NodeId, Actual>& actuals) {
  for (const view::Member& member : view.members) {
    const Actual* actual = Said(actuals, member);
    bool asked = DesiredFor(rollout, member.node) == rollout.to;
    if (actual != nullptr && asked && HasFailed(*actual, rollout))
      return actual;
  }
  return nullptr;
}

}  // namespace

std::string Committed::Digest() const {
  std::string text;
  for (const auto& [name, path] : classes) {
    if (!path.empty())
      text += (text.empty() ? "" : ",") + name + "@" + std::to_string(path.back().version) + ":" +
              path.back().digest.substr(0, 16);
  }
  return text;
}

Path Committed::PathOf(const std::string& class_name) const {
  const auto known = classes.find(class_name);
  return known == classes.end() ? Path() : known->second;
}

Release Committed::ReleaseOf(const std::string& class_name, const Release& built_in) const {
  const Path path = PathOf(class_name);
  return path.empty() ? built_in : path.back();
}

Path Towards(const Path& path, const Release& to) {
  if (to.digest.empty())
    return {};
  Path next = path;
  const auto known = std::find(next.begin(), next.end(), to);
  if (known != next.end())
    next.erase(known + 1, next.end());
  else
    next.push_back(to);
  return next;
}

Path DesiredPath(const Committed& committed, const std::optional<Rollout>& rollout,
                 const std::string& class_name, NodeId node) {
  const Path path = committed.PathOf(class_name);
  const bool moves = rollout && !rollout->Ended() && rollout->class_name == class_name &&
                     DesiredFor(*rollout, node) == rollout->to;
  return moves ? Towards(path, rollout->to) : path;
}

Release DesiredFor(const Rollout& rollout, NodeId node) {
  switch (rollout.phase) {
    case Phase::kPromoted:
      return rollout.to;
    case Phase::kRollingBack:
    case Phase::kRolledBack:
      return rollout.from;
    case Phase::kRolling:
      break;
  }
  std::size_t wave = WaveOf(rollout, node).value_or(rollout.waves.size() - 1);
  return wave <= rollout.wave ? rollout.to : rollout.from;
}

Outcome<Rollout> Begin(const std::string& id, const std::string& class_name, const Release& to,
                       const Committed& committed, Release built_in,
                       const std::vector<std::vector<NodeId>>& waves, std::uint32_t soak_ms,
                       const std::optional<Rollout>& current) {
  if (current && !current->Ended())
    return {Status::kBusy, "rollout " + current->id + " of " + current->class_name +
                               " is under way; wait for its end or abort it"};
  const Release from = committed.ReleaseOf(class_name, built_in);
  bool neighbour = to.version == from.version + 1 || to.version + 1 == from.version;
  if (!neighbour)
    return {Status::kVersionMismatch, class_name + " is at version " +
                                          std::to_string(from.version) + ": a module to " +
                                          std::to_string(to.version) + " is no single step"};
  std::set<NodeId> seen;
  for (const auto& wave : waves) {
    if (wave.empty())
      return {Status::kInvalidArgument, "a wave without nodes"};
    for (NodeId node : wave)
      if (!seen.insert(node).second)
        return {Status::kInvalidArgument, "node " + std::to_string(node) + " is in two waves"};
  }
  if (waves.empty())
    return {Status::kInvalidArgument, "a plan without waves"};
  Rollout rollout;
  rollout.id = id;
  rollout.class_name = class_name;
  rollout.from = from;
  rollout.to = to;
  rollout.waves = waves;
  rollout.soak_ms = soak_ms;
  return rollout;
}

std::optional<Rollout> Next(const Rollout& rollout, const view::View& view,
                            const std::map<NodeId, Actual>& actuals, std::uint64_t now_ms) {
  if (rollout.Ended() || view.members.empty())
    return std::nullopt;
  Rollout next = rollout;
  if (rollout.phase == Phase::kRollingBack) {
    if (!Converged(rollout, view, actuals))
      return std::nullopt;
    next.phase = Phase::kRolledBack;
    return next;
  }
  if (const Actual* failed = Failure(rollout, view, actuals)) {
    next.phase = Phase::kRollingBack;
    next.reason = "node " + std::to_string(failed->node) + ": " + failed->failed;
    return next;
  }
  if (!Converged(rollout, view, actuals)) {
    if (rollout.wave_ready_at_ms == 0)
      return std::nullopt;
    next.wave_ready_at_ms = 0;  // a node restarted while the wave soaked: it soaks anew
    return next;
  }
  if (rollout.wave_ready_at_ms == 0) {
    next.wave_ready_at_ms = std::max<std::uint64_t>(now_ms, 1);
    return next;
  }
  // Another orchestrator's clock may be ahead: waiting from then on is still a full soak.
  if (now_ms < rollout.wave_ready_at_ms + rollout.soak_ms)
    return std::nullopt;
  next.wave_ready_at_ms = 0;
  if (rollout.wave + 1 < rollout.waves.size())
    next.wave++;
  else
    next.phase = Phase::kPromoted;
  return next;
}

Outcome<Rollout> Abort(const Rollout& rollout, const std::string& reason) {
  if (rollout.phase != Phase::kRolling)
    return {Status::kRefused, rollout.phase == Phase::kPromoted
                                  ? "already promoted: roll the way back as a rollout of its own"
                                  : "already on its way back"};
  Rollout next = rollout;
  next.phase = Phase::kRollingBack;
  next.reason = reason;
  return next;
}

Committed After(const Committed& committed, const Rollout& rollout) {
  Committed next = committed;
  const Path path = Towards(committed.PathOf(rollout.class_name), rollout.to);
  if (path.empty())
    next.classes.erase(rollout.class_name);
  else
    next.classes[rollout.class_name] = path;
  return next;
}

std::vector<std::string> WhyWaiting(const Rollout& rollout, const view::View& view,
                                    const std::map<NodeId, Actual>& actuals) {
  std::vector<std::string> reasons;
  if (rollout.Ended())
    return reasons;
  for (const view::Member& member : view.members) {
    const Actual* actual = Said(actuals, member);
    Release desired = DesiredFor(rollout, member.node);
    if (Runs(actual, rollout.class_name, desired))
      continue;
    std::string name = "n" + std::to_string(member.node);
    if (actual == nullptr)
      reasons.push_back(name + " has not said what it runs");
    else if (HasFailed(*actual, rollout))
      reasons.push_back(name + " failed: " + actual->failed);
    else
      reasons.push_back(name + " is on its way to " + rollout.class_name + " version " +
                        std::to_string(desired.version));
  }
  if (reasons.empty() && rollout.phase == Phase::kRolling)
    reasons.push_back("wave " + std::to_string(rollout.wave + 1) + " of " +
                      std::to_string(rollout.waves.size()) + " soaks");
  return reasons;
}

}  // namespace k42::upgrade
