// A node's part in upgrades, before it joins: which records and which failures keep it from it.
#include "cluster-services/noded/upgrade_service.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>

#include "cluster-services/upgrade/records.h"
#include "unit/noded/daemon_world.h"
#include "unit/noded/played_store.h"

namespace k42::noded {
namespace {

using abi::ControlKind;

constexpr const char* kClass = "counter";
constexpr const char* kCluster = "k42";

class UpgradeServiceTest : public DaemonWorld {
 protected:
  UpgradeServiceTest() {
    auto membership = std::make_unique<StoreMembershipPlayed>();
    played_ = membership.get();
    daemon_->SetMembership(std::move(membership));
    service_ = std::make_unique<UpgradeService>(server_, *daemon_);
    Attach();
  }
  ~UpgradeServiceTest() override { service_.reset(); }

  static store::KeyValue Pair(const std::string& key, const std::string& value) {
    return {.key = key, .value = value, .created = 5, .modified = 5};
  }
  static store::KeyValue ARollout() {
    upgrade::Rollout rollout;
    rollout.id = "one";
    rollout.class_name = kClass;
    rollout.from = {1, ""};
    rollout.to = {2, std::string(64, 'a')};
    rollout.waves.push_back(std::vector<upgrade::NodeId>{1});
    return Pair(upgrade::RolloutKey(kCluster), upgrade::Encode(rollout));
  }
  void List(std::vector<store::KeyValue> pairs) {
    played_->played.handler->OnListing({5, std::move(pairs)});
  }
  // The kernel says what it runs whenever it is asked.
  void SayState() {
    struct {
      abi::UpgradeState head{};
      abi::UpgradeClass one{};
    } state;
    state.head.class_count = 1;
    std::strcpy(state.one.name, kClass);
    state.one.built_in_version = 1;
    std::vector<std::byte> payload(sizeof state.head + sizeof state.one);
    std::memcpy(payload.data(), &state.head, sizeof state.head);
    std::memcpy(payload.data() + sizeof state.head, &state.one, sizeof state.one);
    global::LinkRequest request;
    request.channel = abi::Channel::kControl;
    request.peer = {abi::kDaemonNode, 0};
    request.frame.kind = abi::FrameKind::kControl;
    request.frame.method = static_cast<std::uint32_t>(ControlKind::kUpgradeState);
    request.payload = payload;
    request.done = [](global::LinkRequest&) {};
    port_->Submit(request);
    for (int i = 0; i < 10 && request.outcome == abi::Outcome::kNone; ++i) {
      daemon_->Serve();
      port_->Drain();
    }
    ASSERT_EQ(request.outcome, abi::Outcome::kDone);
  }
  template <typename F>
  bool Within(std::chrono::seconds time, F done) {
    const auto until = std::chrono::steady_clock::now() + time;
    bool is_done = false;
    loop_.Run([] { return std::size_t{0}; },
              [&] {
                daemon_->Serve();
                port_->Drain();
                if (heard_.Has(ControlKind::kUpgradeQuery)) {
                  heard_.kinds.clear();
                  SayState();
                }
                is_done = done();
                if (is_done || std::chrono::steady_clock::now() >= until)
                  loop_.Stop();
                return 5;
              });
    return is_done;
  }
  bool Reads(int count, std::chrono::seconds time) {
    return Within(time, [&] { return played_->played.reads.load() >= count; });
  }

  ControlServer server_{loop_};
  StoreMembershipPlayed* played_ = nullptr;
  std::unique_ptr<UpgradeService> service_;
};

// Everything would be rolled back for it.
TEST_F(UpgradeServiceTest, AStoreThatDoesNotAnswerIsAskedAgain) {
  List({ARollout()});
  EXPECT_TRUE(Reads(2, std::chrono::seconds(20)));
}

TEST_F(UpgradeServiceTest, AModuleThatIsNotThereIsAFailure) {
  played_->played.get_status.store(Status::kOk);
  List({ARollout()});
  EXPECT_TRUE(Reads(1, std::chrono::seconds(20)));
  EXPECT_FALSE(Reads(2, std::chrono::seconds(4)));
}

TEST_F(UpgradeServiceTest, WhatANodeSaysUnreadablyKeepsNobodyElse) {
  List({ARollout(), Pair(upgrade::ActualKey(kCluster, 3), "no record")});
  EXPECT_TRUE(Reads(1, std::chrono::seconds(20)));
}

TEST_F(UpgradeServiceTest, ARecordThatCannotBeReadIsWaitedForUntilItIsGone) {
  const auto joined = [&] { return played_->joins != 0; };
  const std::string key = upgrade::RolloutKey(kCluster);
  List({Pair(key, "no record")});
  EXPECT_FALSE(Within(std::chrono::seconds(2), joined));
  played_->played.handler->OnEvents(6, {{true, {.key = key, .value = {}, .modified = 6}}});
  EXPECT_TRUE(Within(std::chrono::seconds(20), joined));
}

}  // namespace
}  // namespace k42::noded
