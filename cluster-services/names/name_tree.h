// Names: a tree of paths bound to values, agreed through the store, cached on every node.
//
//   <root>/names/<path>   a Binding, JSON; mod_revision is its version
//
// Bound and changed by compare-and-swap: the binder says which version it replaces. An ephemeral
// binding belongs to an incarnation: its key is bound to that node's lease, and from the moment a
// view without the incarnation is installed nobody sees it any more, even before the lease has
// ended.
//
// NameTree is the cache: a pure function of the store's events. names.h binds.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "abi/link_names.h"
#include "cluster-services/store/store.h"
#include "cluster-services/view/view.h"

namespace k42::names {

struct Binding {
  std::string path;  // "jobs/17/port": no empty, "." or ".." part
  std::string value;
  view::NodeId owner = 0;  // 0: nobody's, lasts
  view::Incarnation incarnation = 0;
  store::Revision version = 0;

  bool operator==(const Binding&) const = default;
};

// Names are for places and small settings: every daemon keeps all of them, and a kernel can read
// no more.
inline constexpr std::size_t kLongestValue = abi::kNameValueMax;

bool ValidPath(const std::string& path);
std::string NamesPrefix(const std::string& cluster);
std::string Encode(const Binding& binding);
std::optional<Binding> Decode(const std::string& cluster, const store::KeyValue& pair);

class NameTree {
 public:
  explicit NameTree(std::string cluster) : cluster_(std::move(cluster)) {}

  // Events of the store; keys outside the tree are ignored. Return what changed: paths.
  std::vector<std::string> OnListing(const store::Listing& listing);
  std::vector<std::string> OnEvents(const std::vector<store::Event>& events);
  // Ephemeral bindings of others than its members are invisible.
  std::vector<std::string> OnView(const view::View& view);

  const Binding* Find(const std::string& path) const;
  // All visible bindings at or below `prefix` ("" for all), by path.
  std::vector<Binding> List(const std::string& prefix) const;

 private:
  bool Visible(const Binding& binding) const;

  const std::string cluster_;
  view::View view_;
  std::map<std::string, Binding> bindings_;
};

}  // namespace k42::names
