#include "cluster-services/ctl/upgrade_commands.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/sha256.h"
#include "cluster-services/control/client.h"
#include "cluster-services/ctl/commands.h"
#include "cluster-services/ctl/questions.h"

namespace k42::ctl {
namespace {

using control::Json;

constexpr std::size_t kSignature = 64;
constexpr useconds_t kLookUs = 200'000;

Outcome<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open() || text.size() <= kSignature)
    return {Status::kNotFound, path + " is no signed module (k42-module sign)"};
  return text;
}

std::string DigestOf(const std::string& signed_file) {
  const std::string hex = "0123456789abcdef";
  std::string digest;
  for (const std::uint8_t byte :
       Sha256(std::as_bytes(std::span(signed_file).subspan(kSignature)))) {
    digest += hex[byte >> 4];
    digest += hex[byte & 15];
  }
  return digest;
}

Outcome<Json> PushTo(const std::string& socket, const std::string& text) {
  Outcome<control::Channel> channel = control::Channel::Open(socket, control::kChangeLimit);
  if (!channel.ok())
    return Outcome<Json>::From(channel);
  channel.value().Send(control::FrameType::kRequest,
                       Json{{"request", "upgrade"}, {"action", "push"}}.dump());
  constexpr std::size_t kPiece = 256 * 1024;
  for (std::size_t at = 0; at < text.size(); at += kPiece)
    channel.value().Send(control::FrameType::kInput, std::string_view(text).substr(at, kPiece));
  channel.value().Send(control::FrameType::kInput, {});
  const Outcome<control::Frame> frame = channel.value().Await(control::kChangeLimit);
  return frame.ok() ? control::AnswerOf(frame.value()) : Outcome<Json>::From(frame);
}

int Push(const control::Cluster& cluster, const std::string& path) {
  const Outcome<std::string> text = ReadFile(path);
  if (!text.ok())
    return Complain(text.detail());
  Outcome<Json> answer(Status::kUnavailable, "no daemon of cluster " + cluster.name + " runs");
  for (const auto& [number, socket] : cluster.sockets) {
    answer = PushTo(socket, text.value());
    if (answer.ok() || answer.status() != Status::kUnavailable)
      break;
  }
  if (!answer.ok())
    return Complain(answer.detail());
  std::printf("%s  %s, version %u to %u\n", answer->value("digest", "").c_str(),
              answer->value("class", "").c_str(), answer->value("from", 0u),
              answer->value("to", 0u));
  return 0;
}

// n1/n2,n3
Outcome<Json> Waves(const std::string& text) {
  Json waves = Json::array();
  std::istringstream list(text);
  for (std::string wave; std::getline(list, wave, '/');) {
    waves.push_back(Json::array());
    std::istringstream nodes(wave);
    for (std::string node; std::getline(nodes, node, ',');) {
      const std::uint32_t number = control::NodeNumber(node);
      if (number == 0)
        return {Status::kInvalidArgument, "'" + node + "' is no node; waves are n1/n2,n3"};
      waves.back().push_back(number);
    }
  }
  return waves;
}

std::string Sentence(const Json& rollout) {
  std::string text = rollout.value("id", "") + ": " + rollout.value("class", "") + " version " +
                     std::to_string(rollout["from"].value("version", 0u)) + " to " +
                     std::to_string(rollout["to"].value("version", 0u)) + ", " +
                     rollout.value("phase", "") + ", wave " +
                     std::to_string(rollout.value("wave", 0u)) + " of " +
                     std::to_string(rollout.value("waves", Json::array()).size());
  if (const std::string reason = rollout.value("reason", ""); !reason.empty())
    text += " (" + reason + ")";
  return text;
}

// Shows each step once, until the rollout has ended. A daemon that does not answer now is asked
// again: the rollout goes on without us.
int Follow(const control::Cluster& cluster, const std::string& id) {
  std::string shown;
  for (int silent = 0; silent < 100;) {
    const Outcome<Json> answer =
        AskCluster(cluster, 0, {{"request", "upgrade"}, {"action", "status"}});
    const Json rollout = answer.ok() ? answer->value("rollout", Json()) : Json();
    silent = answer.ok() ? 0 : silent + 1;
    if (rollout.is_object() && rollout.value("id", "") == id) {
      if (const std::string now = Sentence(rollout); now != shown) {
        std::printf("%s\n", now.c_str());
        std::fflush(stdout);
        shown = now;
      }
      if (rollout.value("ended", false))
        return rollout.value("phase", "") == "promoted" ? 0 : 1;
    }
    usleep(kLookUs);
  }
  return Complain("no daemon answers any more; the rollout goes on: k42ctl upgrade status");
}

int Start(const control::Cluster& cluster, const UpgradeOptions& options) {
  Json request{{"request", "upgrade"},
               {"action", "start"},
               {"class", options.class_name},
               {"back", options.back},
               {"soak_ms", options.soak_ms}};
  if (!options.back) {
    std::string digest = options.module;
    if (access(options.module.c_str(), R_OK) == 0) {
      const Outcome<std::string> text = ReadFile(options.module);
      if (!text.ok())
        return Complain(text.detail());
      digest = DigestOf(text.value());
    }
    request["digest"] = digest;
  }
  const Outcome<Json> waves = Waves(options.waves);
  if (!waves.ok())
    return Complain(waves.detail());
  request["waves"] = waves.value();
  const Outcome<Json> answer = AskCluster(cluster, 0, request, control::kChangeLimit);
  if (!answer.ok())
    return Complain(answer.detail());
  if (options.wait)
    return Follow(cluster, answer->value("id", ""));
  std::printf("%s\n", Sentence(answer.value()).c_str());
  return 0;
}

void ShowStatus(const Json& status) {
  if (status["rollout"].is_object())
    std::printf("rollout %s\n", Sentence(status["rollout"]).c_str());
  else
    std::printf("no rollout yet\n");
  for (const Json& node : status["nodes"]) {
    std::printf("%-5s", node.value("node", "").c_str());
    for (const auto& [name, release] : node["classes"].items()) {
      const std::string digest = release.value("digest", "");
      std::printf("  %s %u (%s)", name.c_str(), release.value("version", 0u),
                  digest.empty() ? "built in" : digest.substr(0, 16).c_str());
    }
    const std::string failed = node.value("failed", "");
    std::printf("%s%s\n", failed.empty() ? "" : "  failed: ", failed.c_str());
  }
  for (const auto& [name, one] : status["kernel"].items())
    std::printf("%s's kernel: %s: %llu objects, %llu not yet of version %u\n",
                status.value("self", "").c_str(), name.c_str(),
                static_cast<unsigned long long>(one.value("objects", 0ull)),
                static_cast<unsigned long long>(one.value("outdated", 0ull)),
                one.value("version", 0u));
}

}  // namespace

CLI::App* AddUpgrade(CLI::App& app, UpgradeOptions& options) {
  CLI::App* upgrade = app.add_subcommand("upgrade", "classes of the kernels, to other versions");
  upgrade->require_subcommand(1);
  const auto add = [&](const char* name, const char* what) {
    CLI::App* one = upgrade->add_subcommand(name, what);
    one->callback([&options, name] { options.action = name; });
    return one;
  };
  add("push", "a signed module, into the cluster's store")
      ->add_option("module", options.module, "a signed file (k42-module sign)")
      ->required();
  CLI::App* start = add("start", "takes a class to a module's version, wave by wave");
  start->add_option("--class", options.class_name, "which class")->required();
  CLI::Option* to = start->add_option("--to", options.module, "a pushed module: file or digest");
  CLI::Option* back = start->add_flag("--back", options.back, "to the version before, instead");
  to->excludes(back);
  start->add_option("--waves", options.waves,
                    "n1/n2,n3 (default: the first node, then the others)");
  start->add_option("--soak", options.soak_ms, "milliseconds that each wave has to stand");
  start->add_flag("!--no-wait", options.wait, "do not wait for the end");
  add("status", "the rollout, and what each node runs")->add_flag("--json", options.json);
  add("abort", "takes a rollout back that is not promoted yet");
  add("why-stuck", "what the rollout waits for")->add_flag("--json", options.json, "for programs");
  return upgrade;
}

int Upgrade(const control::Cluster& cluster, const UpgradeOptions& options) {
  if (options.action == "push")
    return Push(cluster, options.module);
  if (options.action == "start") {
    if (!options.back && options.module.empty())
      return Complain("start needs --to MODULE or --back");
    return Start(cluster, options);
  }
  const bool abort = options.action == "abort";
  const Outcome<Json> answer =
      AskCluster(cluster, 0, {{"request", "upgrade"}, {"action", abort ? "abort" : "status"}},
                 control::kChangeLimit);
  if (!answer.ok())
    return Complain(answer.detail());
  if (abort) {
    std::printf("%s\n", Sentence(answer.value()).c_str());
  } else if (options.action == "why-stuck") {
    const Json why = answer->value("why", Json::array());
    if (options.json)
      std::printf("%s\n", Json{{"why", why}}.dump(1).c_str());
    for (const Json& reason : options.json ? Json::array() : why)
      std::printf("%s\n", reason.get<std::string>().c_str());
  } else if (options.json) {
    std::printf("%s\n", answer->dump(1).c_str());
  } else {
    ShowStatus(answer.value());
  }
  return 0;
}

}  // namespace k42::ctl
