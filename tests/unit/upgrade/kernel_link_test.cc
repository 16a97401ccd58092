#include "cluster-services/upgrade/kernel_link.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace k42::upgrade {
namespace {

using abi::ControlKind;

const std::string kDigest(64, 'a');

std::vector<std::byte> Bytes(const void* data, std::size_t size) {
  const auto* bytes = static_cast<const std::byte*>(data);
  return {bytes, bytes + size};
}

// A link with what it sent and was told.
class Link : public testing::Test {
 protected:
  struct Sent {
    ControlKind kind;
    std::uint64_t number;
    std::vector<std::byte> payload;
  };
  void Load(std::string file = std::string(5000, 'm')) {
    link_.Step("Probe", {KernelStep::Kind::kLoad, {2, kDigest}}, 1, std::move(file),
               [this](Status status, const std::string& text) {
                 ends_.push_back(status);
                 text_ = text;
               });
  }
  void Want(std::uint32_t offset, std::uint32_t length) {
    const abi::UpgradeWant want{offset, length};
    link_.OnControl(ControlKind::kUpgradeWant, sent_.front().number, Bytes(&want, sizeof want));
  }
  void End(std::uint64_t number, Status status, const std::string& text) {
    const abi::UpgradeEnd end{static_cast<std::int64_t>(status)};
    auto payload = Bytes(&end, sizeof end);
    for (char c : text) payload.push_back(static_cast<std::byte>(c));
    link_.OnControl(ControlKind::kUpgradeEnd, number, payload);
  }

  std::vector<Sent> sent_;
  std::vector<KernelReport> reports_;
  std::vector<std::string> notices_;
  std::vector<Status> ends_;
  std::string text_;
  KernelLink link_{
      [this](ControlKind kind, std::uint64_t number, std::span<const std::byte> payload) {
        sent_.push_back({kind, number, {payload.begin(), payload.end()}});
      },
      [this](const KernelReport& report) { reports_.push_back(report); },
      [this](const std::string& text) { notices_.push_back(text); }};
};

TEST_F(Link, AFileGoesInThePiecesTheKernelAsksFor) {
  Load();
  ASSERT_EQ(sent_.size(), 1u);
  abi::UpgradeStep step;
  ASSERT_EQ(sent_[0].payload.size(), sizeof step);
  std::memcpy(&step, sent_[0].payload.data(), sizeof step);
  EXPECT_EQ(step.size, 5000u);
  EXPECT_EQ(step.from_version, 1u);
  EXPECT_EQ(step.digest[31], 0xaa);
  Want(0, 4096);
  Want(4096, 904);
  ASSERT_EQ(sent_.size(), 3u);
  EXPECT_EQ(sent_[2].payload.size(), 4u + 904);
  End(sent_[0].number + 1, Status::kOk, "");  // of another step
  EXPECT_TRUE(ends_.empty());
  End(sent_[0].number, Status::kRefused, "why not");
  EXPECT_EQ(ends_, std::vector{Status::kRefused});
  EXPECT_EQ(text_, "why not");
  Want(0, 10);  // over
  EXPECT_EQ(sent_.size(), 3u);
}

TEST_F(Link, OneStepAtATimeAndEachEndsOnce) {
  Load();
  Load();
  EXPECT_EQ(ends_, std::vector{Status::kBusy});
  link_.Forget();
  link_.Forget();
  EXPECT_EQ(ends_, (std::vector{Status::kBusy, Status::kNodeDead}));
  link_.Step("Probe", {KernelStep::Kind::kLoad, {2, "short"}}, 1, "x",
             [this](Status status, const std::string&) { ends_.push_back(status); });
  EXPECT_EQ(ends_.back(), Status::kInvalidArgument);
  link_.Step(std::string(48, 'n'), {KernelStep::Kind::kBack, {1, ""}}, 2, "",
             [this](Status status, const std::string&) { ends_.push_back(status); });
  EXPECT_EQ(ends_.back(), Status::kInvalidArgument);
}

// What the kernel says may be lost: it is asked about the step for as long as there is one.
TEST_F(Link, AStepIsAskedAboutUntilItHasEnded) {
  link_.Query();
  Load();
  link_.Query();
  ASSERT_EQ(sent_.size(), 3u);
  const std::uint64_t number = sent_[1].number;
  EXPECT_EQ(sent_[0].number, 0u);
  EXPECT_EQ(sent_[2].kind, ControlKind::kUpgradeQuery);
  EXPECT_EQ(sent_[2].number, number);
  End(number, Status::kRefused, "why not");
  End(number, Status::kRefused, "why not");  // both answers, then
  EXPECT_EQ(ends_, std::vector{Status::kRefused});
  link_.Query();
  EXPECT_EQ(sent_.back().number, 0u);
}

TEST_F(Link, AKernelThatAsksForMoreThanThereIsEndsTheStep) {
  for (const auto& [offset, length] :
       {std::pair{4096u, 905u}, {5001u, 0u}, {0u, 4097u}, {~0u, 1u}, {1u, ~0u}}) {
    Load();
    Want(offset, length);
    EXPECT_EQ(ends_.back(), Status::kCorrupt);
    sent_.clear();
  }
  Load();
  link_.OnControl(ControlKind::kUpgradeEnd, sent_[0].number, {});
  EXPECT_EQ(ends_.back(), Status::kCorrupt);
}

TEST_F(Link, StatesAreReadOrRefusedWhole) {
  std::vector<std::byte> payload;
  const auto add = [&](const auto& part) {
    const auto bytes = Bytes(&part, sizeof part);
    payload.insert(payload.end(), bytes.begin(), bytes.end());
  };
  add(abi::UpgradeState{2, 1});
  add(abi::UpgradeClass{"Probe", 1, 1, 7, 3});
  add(abi::UpgradeModule{{0xab}, 2, 0});
  add(abi::UpgradeClass{"Other", 4, 0, 0, 0});
  link_.OnControl(ControlKind::kUpgradeState, 0, payload);
  ASSERT_EQ(reports_.size(), 1u);
  EXPECT_EQ(reports_[0].left_modules, 1u);
  EXPECT_EQ(reports_[0].classes[0].Present(), (Release{2, "ab" + std::string(62, '0')}));
  EXPECT_EQ(reports_[0].classes[1].Present(), (Release{4, ""}));
  for (std::size_t size = 0; size < payload.size(); ++size)
    EXPECT_FALSE(DecodeReport(std::span(payload).first(size))) << size;
  for (unsigned seed = 1; seed <= 20000; ++seed) {
    std::mt19937 random(seed);
    auto copy = payload;
    for (unsigned flips = 1 + random() % 6; flips > 0; --flips)
      copy[random() % copy.size()] = static_cast<std::byte>(random());
    (void)DecodeReport(copy);  // the sanitizers watch
  }
  link_.OnControl(ControlKind::kUpgradeState, 0, {});
  EXPECT_EQ(notices_.size(), 1u);
}

}  // namespace
}  // namespace k42::upgrade
