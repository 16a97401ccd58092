// `upgrade` of the control socket (control/README.md): what operators ask. Each request is a
// transaction on the records by their revisions; carrying it out is everybody's own business.
//
// A request is read on the loop, where the control server refuses what makes no sense; the worker
// gets values, no JSON.
#include "cluster-services/noded/upgrade_service.h"
#include "cluster-services/upgrade/module_record.h"
#include "cluster-services/upgrade/records.h"

namespace k42::noded {
namespace {

using nlohmann::json;

constexpr std::size_t kMostBytes = abi::kModuleFileLimit + 64;  // with its signature

json AsJson(const upgrade::Release& release) {
  return {{"version", release.version}, {"digest", release.digest}};
}

json AsJson(const upgrade::Rollout& rollout) {
  return {{"id", rollout.id},
          {"class", rollout.class_name},
          {"from", AsJson(rollout.from)},
          {"to", AsJson(rollout.to)},
          {"waves", rollout.waves},
          {"wave", rollout.wave + 1},
          {"phase", upgrade::PhaseName(rollout.phase)},
          {"ended", rollout.Ended()},
          {"reason", rollout.reason}};
}

Outcome<json> NoLease() {
  return {Status::kUnavailable, "this node has no certain lease now; try again"};
}

Outcome<json> NotRead() {
  return {Status::kUnavailable, "this node has not read the store's records yet; try again"};
}

// The member with the lowest number first, alone, then the others.
std::vector<std::vector<upgrade::NodeId>> CanaryFirst(const view::View& view) {
  std::vector<std::vector<upgrade::NodeId>> waves;
  for (const view::Member& member : view.members) {
    if (waves.size() < 2)
      waves.emplace_back();
    waves.back().push_back(member.node);
  }
  return waves;
}

// What a field holds, if it is that; the JSON library would take -1, 2.5 and true for a number.
bool Read(const json& value, std::string* into) {
  if (value.is_string())
    *into = value.get<std::string>();
  return value.is_string();
}

bool Read(const json& value, bool* into) {
  if (value.is_boolean())
    *into = value.get<bool>();
  return value.is_boolean();
}

bool Read(const json& value, std::uint32_t* into) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > UINT32_MAX)
    return false;
  *into = value.get<std::uint32_t>();
  return true;
}

template <typename T>
bool Read(const json& value, std::vector<T>* into) {
  if (!value.is_array())
    return false;
  into->resize(value.size());
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!Read(value[i], &(*into)[i]))
      return false;
  }
  return true;
}

}  // namespace

Outcome<UpgradeService::StartRequest> UpgradeService::ParseStart(const Json& request) {
  StartRequest wanted;
  std::string wrong;
  const auto read = [&](const char* field, auto* into) {
    if (const auto found = request.find(field); found != request.end() && !Read(*found, into))
      wrong = field;
  };
  read("class", &wanted.class_name);
  read("back", &wanted.back);
  read("digest", &wanted.digest);
  read("waves", &wanted.waves);
  read("soak_ms", &wanted.soak_ms);
  if (!wrong.empty())
    return {Status::kInvalidArgument, "the request's '" + wrong + "' makes no sense"};
  return wanted;
}

void UpgradeService::Serve(std::shared_ptr<Connection> connection, const Json& request) {
  if (store_ == nullptr)
    return connection->Fail(Status::kNotSupported, "this daemon runs without a store");
  const std::string action = request.value("action", "status");
  if (action == "push")
    return ServePush(std::move(connection));
  if (action == "start") {
    const auto wanted = ParseStart(request);
    if (!wanted.ok())
      return connection->Fail(wanted.status(), wanted.detail());
    return Reply(std::move(connection), [this, wanted = wanted.value()] { return Start(wanted); });
  }
  if (action == "abort")
    return Reply(std::move(connection), [this, reason = request.value("reason", "an operator")] {
      return AbortRollout(reason);
    });
  if (action == "status")
    return Reply(std::move(connection), [this] { return Describe(); });
  connection->Fail(Status::kInvalidArgument, "no such action: " + action);
}

// The file comes in kInput frames, and ends with an empty one.
void UpgradeService::ServePush(std::shared_ptr<Connection> connection) {
  auto text = std::make_shared<std::string>();
  connection->on_frame = [this, text,
                          weak = std::weak_ptr(connection)](const control::Frame& frame) {
    const auto live = weak.lock();
    if (live == nullptr || frame.type != control::FrameType::kInput)
      return;
    *text += frame.payload;
    if (text->size() > kMostBytes)
      return live->Fail(Status::kLimitExceeded, "a module has at most 1 MiB");
    if (frame.payload.empty())
      Reply(live, [this, text] { return Push(*text); });
  };
}

// Runs on the worker, answers on the loop.
void UpgradeService::Reply(std::shared_ptr<Connection> connection, Answer answer) {
  worker_->Post([this, connection, answer] {
    const Outcome<Json> outcome = answer();
    daemon_.loop().Post([connection, outcome] {
      if (outcome.ok())
        connection->Finish(outcome.value());
      else
        connection->Fail(outcome.status(), outcome.detail());
    });
  });
}

// -- the worker ---------------------------------------------------------------------------------

Outcome<nlohmann::json> UpgradeService::Push(const std::string& text) {
  if (text.size() < 64)
    return {Status::kCorrupt, "too short for a signed module"};
  const std::string digest = upgrade::DigestOf(text.substr(64));
  const auto module = upgrade::DecodeModule(text, digest);
  if (!module.ok())
    return Outcome<Json>::From(module);
  const auto info = upgrade::ReadModuleInfo(module->bytes);
  if (!info.ok())
    return Outcome<Json>::From(info);
  // No node would load it; better said now.
  const auto vouched = Vouched(module.value());
  if (!vouched.ok())
    return Outcome<Json>::From(vouched);
  const auto put = store_->Put(upgrade::ModuleKey(cluster_, digest), text);
  if (!put.ok())
    return Outcome<Json>::From(put);
  return Json{{"digest", digest},
              {"class", info->class_name},
              {"from", info->from_version},
              {"to", info->to_version}};
}

Outcome<nlohmann::json> UpgradeService::Start(const StartRequest& wanted) {
  const auto current = Authority(false);
  if (current == nullptr)
    return NoLease();
  if (!records_.known)
    return NotRead();
  if (!records_.unreadable.empty())
    return {Status::kUnavailable,
            "the record at " + *records_.unreadable.begin() + " cannot be read"};
  const std::string& class_name = wanted.class_name;
  const upgrade::Release built_in = BuiltIn(class_name);
  if (built_in.version == 0)
    return {Status::kNotFound, "the kernel of n" + std::to_string(node_) + " has no class '" +
                                   class_name + "' that can be upgraded"};
  const upgrade::Path path = records_.committed.PathOf(class_name);
  upgrade::Release to;
  if (wanted.back) {
    if (path.empty())
      return {Status::kRefused, class_name + " runs what the kernels were built with"};
    to = path.size() == 1 ? built_in : path[path.size() - 2];
  } else {
    const std::string& digest = wanted.digest;
    const auto module = FetchModule(digest);
    if (!module.ok())
      return {module.status(), "module " + digest.substr(0, 16) + ": " + module.detail()};
    const auto info = upgrade::ReadModuleInfo(module->bytes);
    if (!info.ok())
      return Outcome<Json>::From(info);
    const upgrade::Release from = records_.committed.ReleaseOf(class_name, built_in);
    if (info->class_name != class_name)
      return {Status::kRefused, "the module is of class " + info->class_name};
    if (info->from_version != from.version)
      return {Status::kVersionMismatch, "the module leads from version " +
                                            std::to_string(info->from_version) +
                                            "; the cluster runs " + std::to_string(from.version)};
    to = {info->to_version, digest};
  }
  const auto waves = wanted.waves.empty() ? CanaryFirst(current->view) : wanted.waves;
  const std::string id = class_name + "-" + std::to_string(to.version) + "-" +
                         std::to_string(records_.rollout_revision) + "-" +
                         std::to_string(records_.committed_revision);
  const auto rollout = upgrade::Begin(id, class_name, to, records_.committed, built_in, waves,
                                      wanted.soak_ms, records_.rollout);
  if (!rollout.ok())
    return Outcome<Json>::From(rollout);
  store::Transaction change;
  const auto unchanged = [&change](const std::string& key, store::Revision revision) {
    if (revision == 0)
      change.IfAbsent(key);
    else
      change.IfModifiedAt(key, revision);
  };
  unchanged(upgrade::RolloutKey(cluster_), records_.rollout_revision);
  unchanged(upgrade::CommittedKey(cluster_), records_.committed_revision);
  unchanged(view::ViewKey(cluster_), current->view.epoch);
  change.Put(upgrade::RolloutKey(cluster_), upgrade::Encode(rollout.value()));
  const auto done = store_->Commit(change);
  if (!done.ok())
    return Outcome<Json>::From(done);
  if (!done->succeeded)
    return {Status::kBusy, "the cluster changed meanwhile; try again"};
  return AsJson(rollout.value());
}

Outcome<nlohmann::json> UpgradeService::AbortRollout(const std::string& reason) {
  if (Authority(false) == nullptr)
    return NoLease();
  if (!records_.known)
    return NotRead();
  if (!records_.rollout)
    return {Status::kNotFound, "there is no rollout"};
  const auto aborted = upgrade::Abort(*records_.rollout, reason);
  if (!aborted.ok())
    return Outcome<Json>::From(aborted);
  store::Transaction change;
  change.IfModifiedAt(upgrade::RolloutKey(cluster_), records_.rollout_revision);
  change.Put(upgrade::RolloutKey(cluster_), upgrade::Encode(aborted.value()));
  const auto done = store_->Commit(change);
  if (!done.ok())
    return Outcome<Json>::From(done);
  if (!done->succeeded)
    return {Status::kBusy, "the rollout went on meanwhile; try again"};
  return AsJson(aborted.value());
}

Outcome<nlohmann::json> UpgradeService::Describe() const {
  // A daemon that has just begun would tell of no rollout while one is under way; others know.
  if (!records_.known)
    return NotRead();
  const agent::ClusterAgent* agent = daemon_.agent();
  const view::View view = agent == nullptr ? view::View() : agent->Current()->view;
  Json committed = Json::object();
  for (const auto& [name, path] : records_.committed.classes) {
    committed[name] = Json::array();
    for (const upgrade::Release& release : path) committed[name].push_back(AsJson(release));
  }
  Json nodes = Json::array();
  for (const view::Member& member : view.members) {
    Json node{{"node", "n" + std::to_string(member.node)}, {"classes", Json::object()}};
    const auto said = records_.actuals.find(member.node);
    if (said != records_.actuals.end() && said->second.incarnation == member.incarnation) {
      for (const auto& [name, release] : said->second.classes)
        node["classes"][name] = AsJson(release);
      node["failed"] = said->second.failed;
    }
    nodes.push_back(std::move(node));
  }
  Json answer{
      {"committed", committed}, {"nodes", nodes}, {"rollout", nullptr}, {"why", Json::array()}};
  if (records_.rollout) {
    answer["rollout"] = AsJson(*records_.rollout);
    answer["why"] = upgrade::WhyWaiting(*records_.rollout, view, records_.actuals);
  }
  // Of this node, which answers: what its kernel says.
  Json kernel = Json::object();
  if (report_) {
    for (const upgrade::KernelClass& one : report_->classes)
      kernel[one.name] = {
          {"version", one.Present().version}, {"objects", one.objects}, {"outdated", one.outdated}};
    answer["left_modules"] = report_->left_modules;
  }
  answer["self"] = "n" + std::to_string(node_);
  answer["kernel"] = kernel;
  return answer;
}

}  // namespace k42::noded
