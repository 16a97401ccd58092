#include "cluster-services/upgrade/records.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace k42::upgrade {

namespace {

using nlohmann::json;

constexpr std::array<std::pair<Phase, const char*>, 4> kPhases{{
    {Phase::kRolling, "rolling"},
    {Phase::kPromoted, "promoted"},
    {Phase::kRollingBack, "rolling-back"},
    {Phase::kRolledBack, "rolled-back"},
}};

// Names and reasons come from kernels: what is no UTF-8 in them is shown as such.
std::string Text(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json ToJson(const Release& release) {
  return {{"version", release.version}, {"digest", release.digest}};
}
Release ReleaseFrom(const json& value) {
  return {value.at("version").get<std::uint32_t>(), value.at("digest").get<std::string>()};
}
json ToJson(const std::map<std::string, Release>& classes) {
  json value = json::object();
  for (const auto& [name, release] : classes) value[name] = ToJson(release);
  return value;
}
std::map<std::string, Release> ClassesFrom(const json& value) {
  std::map<std::string, Release> classes;
  for (const auto& [name, release] : value.items()) classes[name] = ReleaseFrom(release);
  return classes;
}
json ToJson(const std::map<std::string, Path>& classes) {
  json value = json::object();
  for (const auto& [name, path] : classes) {
    value[name] = json::array();
    for (const Release& release : path) value[name].push_back(ToJson(release));
  }
  return value;
}
std::map<std::string, Path> PathsFrom(const json& value) {
  std::map<std::string, Path> classes;
  for (const auto& [name, path] : value.items()) {
    for (const json& release : path) classes[name].push_back(ReleaseFrom(release));
  }
  return classes;
}
Phase PhaseFrom(const std::string& name) {
  for (const auto& [phase, text] : kPhases)
    if (name == text)
      return phase;
  throw std::invalid_argument("no phase '" + name + "'");
}

// The JSON library reports by exception; none leaves this file.
template <typename T, typename Parse>
Outcome<T> Guarded(const char* what, const std::string& text, Parse parse) {
  try {
    return parse(json::parse(text));
  } catch (const std::exception& error) {
    return {Status::kCorrupt, std::string(what) + " record: " + error.what()};
  }
}

std::string Under(const std::string& cluster, const std::string& rest) {
  return view::Root(cluster) + "/upgrade/" + rest;
}

}  // namespace

std::string CommittedKey(const std::string& cluster) {
  return Under(cluster, "committed");
}
std::string RolloutKey(const std::string& cluster) {
  return Under(cluster, "rollout");
}
std::string ActualPrefix(const std::string& cluster) {
  return Under(cluster, "actual/");
}
std::string ActualKey(const std::string& cluster, NodeId node) {
  return ActualPrefix(cluster) + std::to_string(node);
}
std::string ModuleKey(const std::string& cluster, const std::string& digest) {
  return "/k42-modules/" + cluster + "/" + digest;
}
std::string UpgradePrefix(const std::string& cluster) {
  return Under(cluster, "");
}

const char* PhaseName(Phase phase) {
  for (const auto& [known, text] : kPhases)
    if (phase == known)
      return text;
  return "unknown";
}

std::string Encode(const Committed& committed) {
  return Text({{"classes", ToJson(committed.classes)}});
}

Outcome<Committed> DecodeCommitted(const std::string& text) {
  return Guarded<Committed>("committed", text, [](const json& value) {
    return Committed{PathsFrom(value.at("classes"))};
  });
}

std::string Encode(const Rollout& rollout) {
  return Text({{"id", rollout.id},
               {"class", rollout.class_name},
               {"from", ToJson(rollout.from)},
               {"to", ToJson(rollout.to)},
               {"waves", rollout.waves},
               {"soak_ms", rollout.soak_ms},
               {"phase", PhaseName(rollout.phase)},
               {"wave", rollout.wave},
               {"wave_ready_at_ms", rollout.wave_ready_at_ms},
               {"reason", rollout.reason}});
}

Outcome<Rollout> DecodeRollout(const std::string& text) {
  return Guarded<Rollout>("rollout", text, [](const json& value) {
    Rollout rollout;
    rollout.id = value.at("id").get<std::string>();
    rollout.class_name = value.at("class").get<std::string>();
    rollout.from = ReleaseFrom(value.at("from"));
    rollout.to = ReleaseFrom(value.at("to"));
    rollout.waves = value.at("waves").get<std::vector<std::vector<NodeId>>>();
    rollout.soak_ms = value.at("soak_ms").get<std::uint32_t>();
    rollout.phase = PhaseFrom(value.at("phase").get<std::string>());
    rollout.wave = value.at("wave").get<std::uint32_t>();
    rollout.wave_ready_at_ms = value.at("wave_ready_at_ms").get<std::uint64_t>();
    rollout.reason = value.at("reason").get<std::string>();
    if (rollout.waves.empty() || rollout.wave >= rollout.waves.size())
      throw std::invalid_argument("wave outside the plan");
    return rollout;
  });
}

std::string Encode(const Actual& actual) {
  return Text({{"node", actual.node},
               {"incarnation", actual.incarnation},
               {"classes", ToJson(actual.classes)},
               {"failed", actual.failed},
               {"rollout", actual.rollout}});
}

Outcome<Actual> DecodeActual(const std::string& text) {
  return Guarded<Actual>("actual", text, [](const json& value) {
    return Actual{value.at("node").get<NodeId>(), value.at("incarnation").get<view::Incarnation>(),
                  ClassesFrom(value.at("classes")), value.at("failed").get<std::string>(),
                  value.value("rollout", "")};
  });
}

}  // namespace k42::upgrade
