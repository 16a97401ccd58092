#include <sys/epoll.h>
#include <sys/inotify.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "cluster-services/noded/event_loop.h"
#include "cluster-services/noded/hex.h"
#include "cluster-services/noded/membership.h"

namespace k42::noded {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class FolderMembership final : public Membership {
 public:
  FolderMembership(const std::string& folder, std::uint32_t node, EventLoop& loop,
                   MembershipEvents& events)
      : folder_(folder), node_(node), loop_(loop), events_(events) {
    fs::create_directories(folder_);
    notify_.Reset(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    inotify_add_watch(notify_.get(), folder_.c_str(), IN_MOVED_TO | IN_DELETE);
    loop_.Watch(notify_.get(), EPOLLIN, [this](std::uint32_t) {
      char buffer[4096];
      while (read(notify_.get(), buffer, sizeof buffer) > 0) {
      }
      Read();
    });
  }
  ~FolderMembership() override { loop_.Unwatch(notify_.get()); }

  void Join(const Attributes& attributes, const Life& adopted) override {
    life_ = adopted;
    if (life_.incarnation == 0) {
      auto now = std::chrono::system_clock::now().time_since_epoch();
      life_.incarnation = static_cast<std::uint64_t>(
          std::chrono::duration_cast<std::chrono::microseconds>(now).count());
      std::random_device random;
      for (std::byte& byte : life_.secret) byte = static_cast<std::byte>(random());
    }
    loop_.Post([this, attributes] {
      events_.OnJoined(life_);
      json member{{"node", node_},
                  {"incarnation", life_.incarnation},
                  {"secret", ToHex(life_.secret)},
                  {"attributes", attributes}};
      fs::path path = folder_ / ("n" + std::to_string(node_));
      std::ofstream(path.string() + ".new~") << member.dump();
      fs::rename(path.string() + ".new~", path);
      Read();
    });
  }
  void Leave(const std::string&) override {
    std::error_code ignored;
    fs::remove(folder_ / ("n" + std::to_string(node_)), ignored);
    life_ = {};
  }
  std::uint64_t AuthorityDeadlineNs() const override { return 0; }

 private:
  void Read() {
    if (life_.incarnation == 0)
      return;
    ViewOfCluster view;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (entry.path().string().ends_with("~"))
        continue;
      std::ifstream file(entry.path());
      json member = json::parse(file, nullptr, false);
      if (member.is_discarded())
        continue;
      MemberNode node;
      node.id = {member.value("node", 0u), member.value("incarnation", std::uint64_t{0})};
      node.attributes = member.value("attributes", Attributes());
      if (FromHex(member.value("secret", ""), &node.secret))
        view.members.push_back(std::move(node));
    }
    view.epoch = ++epoch_;
    events_.OnView(view);
  }

  const fs::path folder_;
  const std::uint32_t node_;
  EventLoop& loop_;
  MembershipEvents& events_;
  interconnect::UniqueFd notify_;
  Life life_;
  std::uint64_t epoch_ = 0;
};

}  // namespace

std::unique_ptr<Membership> MakeFolderMembership(const std::string& folder, std::uint32_t node,
                                                 EventLoop& loop, MembershipEvents& events) {
  return std::make_unique<FolderMembership>(folder, node, loop, events);
}

}  // namespace k42::noded
