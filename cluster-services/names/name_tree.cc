#include "cluster-services/names/name_tree.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

namespace k42::names {
namespace {

using Json = nlohmann::json;

bool Below(const std::string& path, const std::string& prefix) {
  return prefix.empty() || path == prefix ||
         (path.starts_with(prefix) && path[prefix.size()] == '/');
}

}  // namespace

bool ValidPath(const std::string& path) {
  if (path.empty() || path.size() > 255)
    return false;
  std::size_t start = 0;
  while (start <= path.size()) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string part = path.substr(start, end - start);
    if (part.empty() || part == "." || part == "..")
      return false;
    start = end + 1;
  }
  return true;
}

std::string NamesPrefix(const std::string& cluster) {
  return view::Root(cluster) + "/names/";
}

std::string Encode(const Binding& binding) {
  return Json{
      {"value", binding.value}, {"owner", binding.owner}, {"incarnation", binding.incarnation}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<Binding> Decode(const std::string& cluster, const store::KeyValue& pair) try {
  const std::string prefix = NamesPrefix(cluster);
  if (!pair.key.starts_with(prefix) || !ValidPath(pair.key.substr(prefix.size())))
    return std::nullopt;
  const Json json = Json::parse(pair.value);
  return Binding{pair.key.substr(prefix.size()), json.at("value").get<std::string>(),
                 json.at("owner").get<view::NodeId>(),
                 json.at("incarnation").get<view::Incarnation>(), pair.modified};
} catch (const Json::exception&) {
  return std::nullopt;
}

std::vector<std::string> NameTree::OnListing(const store::Listing& listing) {
  std::map<std::string, Binding> before;
  before.swap(bindings_);
  std::set<std::string> changed;
  for (const store::KeyValue& pair : listing.pairs) {
    std::optional<Binding> binding = Decode(cluster_, pair);
    if (!binding)
      continue;
    const auto old = before.find(binding->path);
    if (old == before.end() || old->second != *binding)
      changed.insert(binding->path);
    bindings_[binding->path] = std::move(*binding);
  }
  for (const auto& [path, binding] : before) {
    if (!bindings_.contains(path))
      changed.insert(path);
  }
  return {changed.begin(), changed.end()};
}

std::vector<std::string> NameTree::OnEvents(const std::vector<store::Event>& events) {
  const std::string prefix = NamesPrefix(cluster_);
  std::set<std::string> changed;
  for (const store::Event& event : events) {
    if (!event.pair.key.starts_with(prefix))
      continue;
    const std::string path = event.pair.key.substr(prefix.size());
    std::optional<Binding> binding;
    if (!event.deleted)
      binding = Decode(cluster_, event.pair);
    // What we cannot read is not there for us, as little as what is deleted.
    if (binding)
      bindings_[path] = std::move(*binding);
    else if (bindings_.erase(path) == 0)
      continue;
    changed.insert(path);
  }
  return {changed.begin(), changed.end()};
}

std::vector<std::string> NameTree::OnView(const view::View& view) {
  std::vector<std::string> changed;
  std::set<std::string> visible;
  for (const auto& [path, binding] : bindings_) {
    if (Visible(binding))
      visible.insert(path);
  }
  view_ = view;
  for (const auto& [path, binding] : bindings_) {
    if (Visible(binding) != visible.contains(path))
      changed.push_back(path);
  }
  return changed;
}

bool NameTree::Visible(const Binding& binding) const {
  return binding.owner == 0 || view_.Contains(binding.owner, binding.incarnation);
}

const Binding* NameTree::Find(const std::string& path) const {
  const auto found = bindings_.find(path);
  return found != bindings_.end() && Visible(found->second) ? &found->second : nullptr;
}

std::vector<Binding> NameTree::List(const std::string& prefix) const {
  std::vector<Binding> list;
  for (const auto& [path, binding] : bindings_) {
    if (Below(path, prefix) && Visible(binding))
      list.push_back(binding);
  }
  return list;
}

}  // namespace k42::names
