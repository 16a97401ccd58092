#include "cluster-services/view/view.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace k42::view {
namespace {

using Json = nlohmann::json;

bool ValidNode(NodeId node) {
  return node >= 1 && node <= kMaxNode;
}

}  // namespace

const Member* View::Find(NodeId node) const {
  for (const Member& member : members) {
    if (member.node == node)
      return &member;
  }
  return nullptr;
}

bool View::Contains(NodeId node, Incarnation incarnation) const {
  const Member* member = Find(node);
  return member != nullptr && member->incarnation == incarnation;
}

View View::With(const Member& member) const {
  View next = Without(member.node);
  auto place = std::ranges::upper_bound(next.members, member.node, {}, &Member::node);
  next.members.insert(place, member);
  return next;
}

View View::Without(NodeId node) const {
  View next = *this;
  next.epoch = 0;
  std::erase_if(next.members, [node](const Member& member) { return member.node == node; });
  return next;
}

std::string Encode(const View& view) {
  Json members = Json::array();
  for (const Member& member : view.members) {
    members.push_back(
        {{"node", member.node}, {"incarnation", member.incarnation}, {"digest", member.digest}});
  }
  return Json{{"next_incarnation", view.next_incarnation}, {"members", members}}.dump();
}

Outcome<View> DecodeView(const std::string& text, Epoch epoch) try {
  const Json json = Json::parse(text);
  View view;
  view.epoch = epoch;
  view.next_incarnation = json.at("next_incarnation").get<Incarnation>();
  for (const Json& entry : json.at("members")) {
    Member member{entry.at("node").get<NodeId>(), entry.at("incarnation").get<Incarnation>(),
                  entry.at("digest").get<std::string>()};
    if (!ValidNode(member.node) || member.incarnation >= view.next_incarnation ||
        (!view.members.empty() && view.members.back().node >= member.node))
      return {Status::kCorrupt, "view: members are not as this program writes them"};
    view.members.push_back(std::move(member));
  }
  return view;
} catch (const Json::exception& error) {
  return {Status::kCorrupt, std::string("view: ") + error.what()};
}

std::string Encode(const MemberRecord& record) {
  return Json{{"node", record.node},
              {"incarnation", record.incarnation},
              {"seat", record.seat},
              {"secret", record.secret},
              {"attributes", record.attributes}}
      .dump();
}

Outcome<MemberRecord> DecodeMember(const std::string& text) try {
  const Json json = Json::parse(text);
  MemberRecord record;
  record.node = json.at("node").get<NodeId>();
  record.incarnation = json.at("incarnation").get<Incarnation>();
  record.seat = json.at("seat").get<std::string>();
  record.secret = json.at("secret").get<std::string>();
  record.attributes = json.at("attributes").get<std::map<std::string, std::string>>();
  if (!ValidNode(record.node))
    return {Status::kCorrupt, "member record: node id outside 1.." + std::to_string(kMaxNode)};
  return record;
} catch (const Json::exception& error) {
  return {Status::kCorrupt, std::string("member record: ") + error.what()};
}

std::string Root(const std::string& cluster) {
  return "/k42/" + cluster;
}
std::string ViewKey(const std::string& cluster) {
  return Root(cluster) + "/view";
}
std::string MemberKey(const std::string& cluster, NodeId node) {
  return Root(cluster) + "/members/" + std::to_string(node);
}

}  // namespace k42::view
