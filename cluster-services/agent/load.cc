#include "cluster-services/agent/load.h"

#include <charconv>
#include <nlohmann/json.hpp>

namespace k42::agent {
namespace {

using Json = nlohmann::json;

std::string LoadPrefix(const std::string& cluster) {
  return view::Root(cluster) + "/load/";
}

std::uint64_t Distance(std::uint64_t a, std::uint64_t b) {
  return a > b ? a - b : b - a;
}

}  // namespace

std::string LoadKey(const std::string& cluster, view::NodeId node) {
  return LoadPrefix(cluster) + std::to_string(node);
}

std::string Encode(const LoadReport& load) {
  return Json{{"cpus", load.cpus},
              {"runnable_x100", load.runnable_x100},
              {"memory_total", load.memory_total},
              {"memory_free", load.memory_free},
              {"draining", load.draining}}
      .dump();
}

std::optional<LoadReport> DecodeLoad(const std::string& text) try {
  const Json json = Json::parse(text);
  LoadReport load;
  load.cpus = json.at("cpus").get<std::uint32_t>();
  load.runnable_x100 = json.at("runnable_x100").get<std::uint32_t>();
  load.memory_total = json.at("memory_total").get<std::uint64_t>();
  load.memory_free = json.at("memory_free").get<std::uint64_t>();
  load.draining = json.at("draining").get<bool>();
  return load;
} catch (const Json::exception&) {
  return std::nullopt;
}

view::NodeId NodeOfLoadKey(const std::string& cluster, const std::string& key) {
  const std::string prefix = LoadPrefix(cluster);
  if (!key.starts_with(prefix))
    return 0;
  view::NodeId node = 0;
  const char* end = key.data() + key.size();
  const auto [stop, error] = std::from_chars(key.data() + prefix.size(), end, node);
  return error == std::errc() && stop == end ? node : 0;
}

bool Differs(const LoadReport& a, const LoadReport& b) {
  return a.draining != b.draining || a.cpus != b.cpus || a.memory_total != b.memory_total ||
         Distance(a.runnable_x100, b.runnable_x100) >= 10 ||
         Distance(a.memory_free, b.memory_free) >= a.memory_total / 20 + 1;
}

}  // namespace k42::agent
