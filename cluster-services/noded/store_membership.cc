// Membership by the cluster's store: the agent's events, carried to the daemon's thread.
#include <spdlog/spdlog.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "cluster-services/agent/cluster_agent.h"
#include "cluster-services/noded/event_loop.h"
#include "cluster-services/noded/hex.h"
#include "cluster-services/noded/membership.h"
#include "cluster-services/store/etcd_store.h"

namespace k42::noded {
namespace {

// The word that tells this folder's node from another host that was given the same number.
std::string Seat(const std::string& folder) {
  const std::filesystem::path path = std::filesystem::path(folder) / "seat";
  std::string seat;
  if (std::ifstream(path) >> seat && !seat.empty())
    return seat;
  std::random_device random;
  interconnect::Secret word;
  for (std::byte& byte : word) byte = static_cast<std::byte>(random());
  seat = ToHex(word);
  std::ofstream(path) << seat << "\n";
  return seat;
}

class StoreMembership final : public Membership, agent::Listener {
 public:
  StoreMembership(const StoreMembershipOptions& options, std::unique_ptr<store::Store> store,
                  EventLoop& loop, MembershipEvents& events)
      : loop_(loop), events_(events), cpus_(options.cpus), store_(std::move(store)) {
    agent_ = agent::ClusterAgent::Create({.cluster = options.cluster,
                                          .node = options.node,
                                          .seat = Seat(options.folder),
                                          .digest = {}},
                                         *store_, *this);
  }

  void Join(const Attributes& attributes, const Life& adopted) override {
    agent::Adopted life;
    if (adopted.incarnation != 0)
      life = {adopted.incarnation, adopted.lease, ToHex(adopted.secret)};
    agent_->Join(attributes, life);
    agent::LoadReport load;  // until the kernel tells more
    load.cpus = cpus_;
    agent_->ReportLoad(load);
  }
  void Leave(const std::string& why) override { agent_->Leave(why); }
  std::uint64_t AuthorityDeadlineNs() const override { return agent_->AuthorityUntilNs(); }
  agent::ClusterAgent* Agent() override { return agent_.get(); }
  store::Store* Store() override { return store_.get(); }

 private:
  // -- on the agent's thread --
  void OnJoined(const agent::Adopted& life) override {
    Life joined{life.incarnation, life.lease, {}};
    if (!FromHex(life.secret, &joined.secret))
      return spdlog::error("this life has no secret that can be read: the node stays out");
    loop_.Post([this, joined] { events_.OnJoined(joined); });
  }
  void OnLease(store::LeaseId lease) override {
    loop_.Post([this, lease] { events_.OnLease(lease); });
  }
  void OnView(const agent::Installed& installed, const std::vector<view::Member>&) override {
    ViewOfCluster view;
    view.epoch = static_cast<std::uint64_t>(installed.view.epoch);
    for (const view::Member& member : installed.view.members) {
      MemberNode node;
      node.id = {member.node, member.incarnation};
      node.digest = member.digest;
      const auto record = installed.records.find(member.node);
      // A member whose record is gone is dead or repairs it: no way to reach it meanwhile.
      if (record != installed.records.end() && FromHex(record->second.secret, &node.secret))
        node.attributes = record->second.attributes;
      view.members.push_back(std::move(node));
    }
    loop_.Post([this, view = std::move(view)] { events_.OnView(view); });
  }
  void OnExcluded(const std::string& why) override {
    loop_.Post([this, why] { events_.OnExcluded(why); });
  }
  void OnNotice(const std::string& text) override { spdlog::info("cluster: {}", text); }

  EventLoop& loop_;
  MembershipEvents& events_;
  const std::uint32_t cpus_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<agent::ClusterAgent> agent_;  // last: its thread calls us
};

}  // namespace

std::unique_ptr<Membership> MakeStoreMembership(const StoreMembershipOptions& options,
                                                EventLoop& loop, MembershipEvents& events,
                                                std::string* error) {
  store::EtcdOptions etcd;
  std::istringstream endpoints(options.endpoints);
  for (std::string one; std::getline(endpoints, one, ',');) etcd.endpoints.push_back(one);
  auto opened = store::OpenEtcd(etcd);
  if (!opened.ok()) {
    *error = opened.detail();
    return nullptr;
  }
  return std::make_unique<StoreMembership>(options, std::move(opened.value()), loop, events);
}

}  // namespace k42::noded
