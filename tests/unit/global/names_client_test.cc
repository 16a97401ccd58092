// Requests for names: what the daemon's answers may look like, and what happens when none comes.
#include "global/names_client.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "machine/clock.h"
#include "support/node_fixture.h"

namespace k42::global {
namespace {

using machine::hosted::RunOn;

class NoBell final : public LinkDoorbell {
  void Kick(machine::CpuId) override {}
};

class Names : public test::ObjectFixture {
 protected:
  Names() : control_(*port_), names_(control_) {}
  void StartLink() {
    constexpr std::size_t kSize = 32u << 20;
    arena_.resize(kSize / sizeof(Page) + 1);
    RunOn(0, [&] {
      ASSERT_EQ(port_->Start(reinterpret_cast<std::byte*>(arena_.data()), kSize, 1, bell_),
                Status::kOk);
    });
  }
  // The answer to the first request, in pieces that a test can spoil.
  std::vector<std::byte> Answer(Status status, std::string_view value) {
    abi::NameAnswer head{};
    head.status = static_cast<std::int64_t>(status);
    head.version = 9;
    head.owner_node = 2;
    head.owner_incarnation = 5;
    head.value_size = static_cast<std::uint32_t>(value.size());
    std::vector<std::byte> bytes(sizeof head + value.size());
    std::memcpy(bytes.data(), &head, sizeof head);
    if (!value.empty())
      std::memcpy(bytes.data() + sizeof head, value.data(), value.size());
    return bytes;
  }
  // Looks up a name and is answered that.
  Status LookupAnswered(const std::vector<std::byte>& answer, NameBinding* found) {
    const std::uint64_t number = ++number_;
    over_ = false;
    std::thread daemon([&, number] {
      for (bool over = false; !over;) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        const machine::hosted::OnCpu on(1);
        names_.OnControl(abi::ControlKind::kNameAnswer, number, answer);
        over = over_.load();
      }
    });
    Status status = Status::kOk;
    RunOn(0, [&] {
      status = names_.Lookup("objects/x", machine::MonotonicNs() + 10'000'000'000, found);
    });
    over_ = true;
    const machine::hosted::WithoutCpu without;
    daemon.join();
    return status;
  }

  struct alignas(4096) Page {
    std::byte bytes[4096];
  };
  std::vector<Page> arena_;
  NoBell bell_;
  std::unique_ptr<LinkPort> port_ = std::make_unique<LinkPort>();
  LinkControl control_;
  NameClient names_;
  std::uint64_t number_ = 0;
  std::atomic<bool> over_{false};
};

TEST_F(Names, WithoutALinkThereAreNone) {
  RunOn(0, [&] {
    NameBinding found;
    EXPECT_EQ(names_.Lookup("a", machine::MonotonicNs() + 1'000'000'000, &found),
              Status::kUnavailable);
    EXPECT_EQ(names_.Lookup("", ~std::uint64_t{0}, &found), Status::kInvalidArgument);
    EXPECT_EQ(names_.Lookup(std::string(256, 'a'), ~std::uint64_t{0}, &found),
              Status::kInvalidArgument);
  });
}

TEST_F(Names, AnswersAreCheckedAndSilenceEnds) {
  StartLink();
  NameBinding found;
  EXPECT_EQ(LookupAnswered(Answer(Status::kOk, "there"), &found), Status::kOk);
  EXPECT_EQ(found.text(), "there");
  EXPECT_EQ(found.version, 9u);
  EXPECT_EQ(found.owner, (LinkPeer{2, 5}));
  EXPECT_EQ(LookupAnswered(Answer(Status::kNotFound, ""), &found), Status::kNotFound);
  auto bytes = Answer(Status::kOk, "there");
  bytes.pop_back();
  EXPECT_EQ(LookupAnswered(bytes, &found), Status::kCorrupt);
  EXPECT_EQ(LookupAnswered({}, &found), Status::kCorrupt);
  EXPECT_EQ(LookupAnswered(Answer(Status::kOk, std::string(600, 'x')), &found), Status::kCorrupt);
  EXPECT_EQ(LookupAnswered(Answer(static_cast<Status>(4), ""), &found), Status::kCorrupt);
  RunOn(0, [&] {
    const std::uint64_t deadline = machine::MonotonicNs() + 30'000'000;
    EXPECT_EQ(names_.Lookup("a", deadline, &found), Status::kTimedOut);
    EXPECT_GE(machine::MonotonicNs(), deadline);
  });
}

}  // namespace
}  // namespace k42::global
