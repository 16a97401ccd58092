#include "cluster-services/noded/upgrade_service.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "cluster-services/upgrade/module_record.h"
#include "cluster-services/upgrade/records.h"

namespace k42::noded {
namespace {

using upgrade::KernelStep;

constexpr std::chrono::milliseconds kTurn{200};
constexpr std::uint64_t kAskMs = 1000;  // how often the kernel is asked what it runs, or how it is
constexpr std::uint64_t kRetryMs = 2000;  // after a failure that a rollout does not wait for

// Soak times are compared across daemons: wall clock (a difference lengthens or shortens a soak).
std::uint64_t WallMs() {
  using std::chrono::system_clock;
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(system_clock::now().time_since_epoch())
          .count());
}

std::vector<std::string> ReadKeys(const std::string& folder) {
  std::vector<std::string> keys;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() != ".pem")
      continue;
    std::ifstream file(entry.path());
    keys.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return keys;
}

}  // namespace

UpgradeService::UpgradeService(ControlServer& server, Daemon& daemon)
    : daemon_(daemon),
      cluster_(daemon.options().cluster),
      node_(daemon.options().node),
      store_(daemon.store()) {
  server.Handle("upgrade", [this](std::shared_ptr<Connection> connection, const Json& request) {
    Serve(std::move(connection), request);
  });
  if (store_ == nullptr)
    return;
  link_ = std::make_unique<upgrade::KernelLink>(
      [this](abi::ControlKind kind, std::uint64_t number, std::span<const std::byte> payload) {
        if (daemon_.link() != nullptr)
          daemon_.link()->SendToKernel(0, abi::FrameKind::kControl,
                                       static_cast<std::uint32_t>(kind), payload, number);
      },
      [this](const upgrade::KernelReport& report) {
        worker_->Post([this, report] { report_ = report; });
      },
      [](const std::string& text) { spdlog::error("upgrade: {}", text); });
  daemon_.SetControlHandler(abi::ControlKind::kUpgradeQuery, abi::ControlKind::kUpgradeState,
                            [this](const abi::Frame& frame, std::span<const std::byte> payload) {
                              link_->OnControl(static_cast<abi::ControlKind>(frame.method),
                                               frame.sequence, payload);
                            });
  daemon_.AddGuestHandler([this](bool up) { OnGuest(up); });
  daemon_.SetJoinGate(
      [this](bool adopted, std::function<void()> join) { OnAttached(adopted, std::move(join)); });
  worker_ = std::make_unique<agent::TaskThread>([this] { return Turn(); });
  worker_->Post([] {});  // the first turn
  watch_ = store_->WatchPrefix(upgrade::UpgradePrefix(cluster_), *this);
}

UpgradeService::~UpgradeService() {
  watch_.reset();
  if (worker_ != nullptr)
    worker_->Stop();
}

// -- the daemon's loop --------------------------------------------------------------------------

void UpgradeService::OnAttached(bool adopted, std::function<void()> join) {
  link_->Forget();
  worker_->Post([this, adopted, join] {
    attached_ = true;
    ++guest_;
    report_.reset();
    stepping_ = false;
    ask_at_ms_ = retry_at_ms_ = 0;
    incarnation_ = 0;
    failed_.clear();
    said_.reset();
    join_ = join;
    if (adopted)
      daemon_.loop().Post(std::exchange(join_, nullptr));
  });
}

void UpgradeService::OnGuest(bool up) {
  if (!up)
    link_->Forget();
  const view::Incarnation incarnation = up ? daemon_.identity().self.incarnation : 0;
  worker_->Post([this, up, incarnation] {
    attached_ = up;
    incarnation_ = incarnation;
  });
}

// -- the store's watch --------------------------------------------------------------------------

void UpgradeService::OnListing(const store::Listing& listing) {
  worker_->Post([this, listing] {
    records_ = {};
    records_.known = true;
    for (const store::KeyValue& pair : listing.pairs) See(pair, false);
  });
}

void UpgradeService::OnEvents(store::Revision, const std::vector<store::Event>& events) {
  worker_->Post([this, events] {
    for (const store::Event& event : events) See(event.pair, event.deleted);
  });
}

// -- the worker ---------------------------------------------------------------------------------

void UpgradeService::See(const store::KeyValue& pair, bool deleted) {
  if (deleted)
    records_.unreadable.erase(pair.key);
  const auto read = [&](auto decoded, auto* into) {
    if (decoded.ok()) {
      records_.unreadable.erase(pair.key);
      *into = decoded.value();
    } else if (records_.unreadable.insert(pair.key).second) {
      spdlog::error("upgrade: {}: {}", pair.key, decoded.detail());
    }
    return decoded.ok();
  };
  if (pair.key == upgrade::RolloutKey(cluster_)) {
    records_.rollout.reset();
    records_.rollout_revision = deleted ? 0 : pair.modified;
    upgrade::Rollout rollout;
    if (!deleted && read(upgrade::DecodeRollout(pair.value), &rollout))
      records_.rollout = rollout;
  } else if (pair.key == upgrade::CommittedKey(cluster_)) {
    records_.committed_revision = deleted ? 0 : pair.modified;
    if (deleted)
      records_.committed = {};
    else
      (void)read(upgrade::DecodeCommitted(pair.value), &records_.committed);
  } else if (pair.key.starts_with(upgrade::ActualPrefix(cluster_))) {
    std::erase_if(records_.actuals, [&](const auto& one) {
      return upgrade::ActualKey(cluster_, one.first) == pair.key;
    });
    if (deleted)
      return;
    // What cannot be read is this one node's: it has not said what it runs.
    const auto actual = upgrade::DecodeActual(pair.value);
    if (!actual.ok())
      return spdlog::error("upgrade: {}: {}", pair.key, actual.detail());
    if (upgrade::ActualKey(cluster_, actual->node) == pair.key)
      records_.actuals[actual->node] = actual.value();
  }
}

agent::TaskThread::Time UpgradeService::Turn() {
  Converge();
  SayActual();
  Drive();
  return std::chrono::steady_clock::now() + kTurn;
}

void UpgradeService::Converge() {
  if (!attached_)
    return;
  const std::uint64_t now = WallMs();
  if (now >= ask_at_ms_) {
    ask_at_ms_ = now + kAskMs;
    daemon_.loop().Post([this] { link_->Query(); });
  }
  // A record that cannot be read is no reason to fall back to what was built in.
  if (stepping_ || !records_.known || !records_.unreadable.empty() || !report_ ||
      now < retry_at_ms_)
    return;
  const auto& rollout = records_.rollout;
  for (const upgrade::KernelClass& present : report_->classes) {
    const KernelStep step = upgrade::NextStep(
        present, upgrade::DesiredPath(records_.committed, rollout, present.name, node_));
    const bool tried = rollout && rollout->phase == upgrade::Phase::kRolling &&
                       rollout->class_name == present.name && failed_rollout_ == rollout->id &&
                       !failed_.empty();
    if (step.kind != KernelStep::Kind::kNone && !tried)
      return BeginStep(present, step);
  }
  if (join_)
    daemon_.loop().Post(std::exchange(join_, nullptr));
}

void UpgradeService::BeginStep(const upgrade::KernelClass& present, const KernelStep& step) {
  std::string file;
  if (step.kind == KernelStep::Kind::kLoad) {
    auto module = FetchModule(step.to.digest);
    const Outcome<Done> vouched =
        module.ok() ? Vouched(module.value()) : Outcome<Done>::From(module);
    const std::string what = present.name + ": module " + step.to.digest.substr(0, 16) + ": ";
    // A store that does not answer now is no word about the module, and no failure of this node's.
    const bool no_answer =
        !module.ok() && module.status() != Status::kNotFound && module.status() != Status::kCorrupt;
    if (no_answer) {
      spdlog::warn("upgrade: {}{}; tried again", what, module.Describe());
      retry_at_ms_ = WallMs() + kRetryMs;
      return;
    }
    if (!vouched.ok())
      return Failed(what + vouched.detail());
    file = std::move(module.value().bytes);
  }
  stepping_ = true;
  spdlog::info("upgrade: {} from version {} to {}", present.name, present.Present().version,
               step.to.version);
  daemon_.loop().Post([this, name = present.name, step, from = present.Present().version,
                       file = std::move(file), guest = guest_]() mutable {
    link_->Step(name, step, from, std::move(file),
                [this, name, kind = step.kind, guest](Status status, const std::string& text) {
                  worker_->Post([this, name, kind, guest, status, text] {
                    if (guest == guest_)
                      StepEnded(name, kind, status, text);
                  });
                });
  });
}

void UpgradeService::StepEnded(const std::string& class_name, KernelStep::Kind, Status status,
                               const std::string& text) {
  stepping_ = false;
  report_.reset();  // asked for anew
  ask_at_ms_ = 0;
  if (status == Status::kOk) {
    spdlog::info("upgrade: {}: done", class_name);
    failed_.clear();
    return;
  }
  Failed(class_name + ": " + (text.empty() ? StatusName(status) : text));
}

void UpgradeService::Failed(const std::string& text) {
  spdlog::error("upgrade: {}", text);
  failed_ = text;
  failed_rollout_ = records_.rollout ? records_.rollout->id : "";
  retry_at_ms_ = WallMs() + kRetryMs;
}

void UpgradeService::SayActual() {
  if (incarnation_ == 0 || !report_ || stepping_ || daemon_.agent() == nullptr)
    return;
  const store::LeaseId lease = daemon_.agent()->Lease();
  if (lease == store::kNoLease)
    return;
  upgrade::Actual actual{node_, incarnation_, {}, failed_, failed_.empty() ? "" : failed_rollout_};
  for (const upgrade::KernelClass& one : report_->classes) actual.classes[one.name] = one.Present();
  if (said_ && *said_ == actual && said_lease_ == lease)
    return;  // with an earlier lease, what was said has gone
  if (store_->Put(upgrade::ActualKey(cluster_, node_), upgrade::Encode(actual), lease).ok()) {
    said_ = actual;
    said_lease_ = lease;
  }
}

std::shared_ptr<const agent::Installed> UpgradeService::Authority(bool lowest) const {
  agent::ClusterAgent* agent = daemon_.agent();
  if (agent == nullptr || incarnation_ == 0 || !agent->HasAuthority())
    return nullptr;
  auto current = agent->Current();
  if (!current->view.Contains(node_, incarnation_) ||
      (lowest && current->view.members.front().node != node_))
    return nullptr;
  return current;
}

void UpgradeService::Drive() {
  if (!records_.rollout || records_.rollout->Ended())
    return;
  const auto current = Authority(true);
  if (current == nullptr)
    return;
  const auto next = upgrade::Next(*records_.rollout, current->view, records_.actuals, WallMs());
  if (!next)
    return;
  store::Transaction change;
  change.IfModifiedAt(upgrade::RolloutKey(cluster_), records_.rollout_revision);
  change.IfModifiedAt(view::ViewKey(cluster_), current->view.epoch);
  change.Put(upgrade::RolloutKey(cluster_), upgrade::Encode(*next));
  if (next->phase == upgrade::Phase::kPromoted) {
    const std::string key = upgrade::CommittedKey(cluster_);
    if (records_.committed_revision == 0)
      change.IfAbsent(key);
    else
      change.IfModifiedAt(key, records_.committed_revision);
    change.Put(key, upgrade::Encode(upgrade::After(records_.committed, *next)));
  }
  const auto done = store_->Commit(change);
  if (done.ok() && done->succeeded)
    spdlog::info("upgrade: rollout {}: {}, wave {} of {}{}", next->id,
                 upgrade::PhaseName(next->phase), next->wave + 1, next->waves.size(),
                 next->reason.empty() ? "" : " (" + next->reason + ")");
}

Outcome<upgrade::SignedModule> UpgradeService::FetchModule(const std::string& digest) const {
  const auto found = store_->Get(upgrade::ModuleKey(cluster_, digest));
  if (!found.ok())
    return Outcome<upgrade::SignedModule>::From(found);
  if (!found.value())
    return {Status::kNotFound, "it is not in the store: push it"};
  return upgrade::DecodeModule(found.value()->value, digest);
}

Outcome<Done> UpgradeService::Vouched(const upgrade::SignedModule& module) const {
  return upgrade::Verify(module, ReadKeys(daemon_.options().module_keys));
}

upgrade::Release UpgradeService::BuiltIn(const std::string& class_name) const {
  if (report_) {
    for (const upgrade::KernelClass& one : report_->classes) {
      if (one.name == class_name)
        return {one.built_in, ""};
    }
  }
  return {};
}

}  // namespace k42::noded
