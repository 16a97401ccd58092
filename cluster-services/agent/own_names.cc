#include "cluster-services/agent/own_names.h"

#include <set>

namespace k42::agent {

void OwnNames::See(const store::KeyValue& pair) {
  if (!pair.key.starts_with(names::NamesPrefix(cluster_)))
    return;
  auto binding = names::Decode(cluster_, pair);
  if (!binding || binding->owner != node_) {
    names_.erase(pair.key);
    return;
  }
  Name& name = names_[pair.key];
  const bool again = name.lost && name.binding.value == binding->value &&
                     name.binding.incarnation == binding->incarnation;
  if (!again)
    name.given = binding->version;
  name.binding = std::move(*binding);
  name.lease = pair.lease;
  name.lost = false;
}

void OwnNames::OnListing(const store::Listing& listing) {
  std::set<std::string> listed;
  store::LeaseId lease = store::kNoLease;  // that the own record is bound to now
  for (const store::KeyValue& pair : listing.pairs) {
    listed.insert(pair.key);
    if (pair.key == view::MemberKey(cluster_, node_))
      lease = pair.lease;
  }
  for (auto& [key, name] : names_) name.lost |= !listed.contains(key) && name.lease != lease;
  // While their lease lives, somebody has taken them away.
  std::erase_if(names_, [&](const auto& entry) {
    return !listed.contains(entry.first) && !entry.second.lost;
  });
  for (const store::KeyValue& pair : listing.pairs) See(pair);
}

void OwnNames::OnEvents(const std::vector<store::Event>& events) {
  std::set<store::Revision> record_went;
  for (const store::Event& event : events) {
    if (event.deleted && event.pair.key == view::MemberKey(cluster_, node_))
      record_went.insert(event.pair.modified);
  }
  for (const store::Event& event : events) {
    if (!event.deleted) {
      See(event.pair);
      continue;
    }
    const auto name = names_.find(event.pair.key);
    if (name == names_.end())
      continue;
    if (record_went.contains(event.pair.modified))
      name->second.lost = true;
    else
      names_.erase(name);
  }
}

std::vector<names::Binding> OwnNames::Lost(view::Incarnation incarnation) {
  std::erase_if(names_, [&](const auto& entry) {
    return entry.second.lost && entry.second.binding.incarnation != incarnation;
  });
  std::vector<names::Binding> lost;
  for (const auto& [key, name] : names_) {
    if (name.lost)
      lost.push_back(name.binding);
  }
  return lost;
}

store::Revision OwnNames::Current(const std::string& path, store::Revision given) const {
  const auto name = names_.find(names::NamesPrefix(cluster_) + path);
  const bool known = name != names_.end() && given != 0 && name->second.given == given;
  return known ? name->second.binding.version : given;
}

}  // namespace k42::agent
