// The carrier's host side against a QEMU that says only what its memory is.
#include "interconnect/carrier.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "interconnect/unix_socket.h"

namespace k42::interconnect {
namespace {

constexpr std::uint64_t kSize = 8 << 20;

class Counted final : public CarrierEvents {
 public:
  void OnArena(Arena&) override { ++arenas; }
  void OnKick() override { ++kicks; }
  void OnGone() override { ++gone; }
  int arenas = 0;
  int kicks = 0;
  int gone = 0;
};

class CarrierTest : public ::testing::Test {
 protected:
  CarrierTest() : arena_(Arena::CreateFormatted(kSize, 1)) {
    char name[] = "/tmp/k42-carrier-test-XXXXXX";
    folder_ = mkdtemp(name);
    listener_ = ListenUnix(folder_ + "/link.sock", SOCK_STREAM);
    carrier_ = std::make_unique<Carrier>(folder_ + "/link.sock", 1, events_);
  }
  ~CarrierTest() override {
    carrier_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Meet() {
    ASSERT_TRUE(carrier_->Connect());
    qemu_ = AcceptUnix(listener_.get());
    ASSERT_TRUE(qemu_);
    TellMemory();
  }
  void TellMemory() {
    VhostMemoryTable table{};
    table.count = 1;
    table.regions[0].guest_address = 1ull << 32;
    table.regions[0].size = kSize;
    table.regions[0].file_offset = arena_->file_offset();
    const std::uint32_t size = offsetof(VhostMemoryTable, regions) + sizeof table.regions[0];
    const VhostHeader header{VhostRequest::kSetMemTable, kVhostVersion, size};
    ASSERT_EQ(SendUnix(qemu_.get(), std::as_bytes(std::span(&header, 1)),
                       std::as_bytes(std::span(&table, 1)).first(size), arena_->fd()),
              Transfer::kDone);
    carrier_->Progress();
  }

  template <typename T>
  void Tell(VhostRequest request, const T& payload, int fd = -1) {
    const VhostHeader header{request, kVhostVersion, sizeof payload};
    ASSERT_EQ(SendUnix(qemu_.get(), std::as_bytes(std::span(&header, 1)),
                       std::as_bytes(std::span(&payload, 1)), fd),
              Transfer::kDone);
    carrier_->Progress();
  }
  // How often the descriptor that is given for queue 0 now has been written to.
  std::uint64_t CallsOfNewDescriptor() {
    const UniqueFd call(eventfd(0, EFD_NONBLOCK));
    Tell(VhostRequest::kSetVringCall, std::uint64_t{0}, call.get());
    std::uint64_t calls = 0;
    return read(call.get(), &calls, sizeof calls) == sizeof calls ? calls : 0;
  }

  std::string folder_;
  std::unique_ptr<Arena> arena_;
  Counted events_;
  UniqueFd listener_;
  UniqueFd qemu_;
  std::unique_ptr<Carrier> carrier_;
};

// Found by tests/fuzz: nothing to copy from.
TEST(Vhost, AMemoryTableOfNoBytesIsCorrupt) {
  VhostMemoryTable table{};
  EXPECT_EQ(ParseMemoryTable({}, 0, &table), Status::kCorrupt);
}

TEST_F(CarrierTest, OneConnectionHasOneArena) {
  Meet();
  EXPECT_EQ(events_.arenas, 1);
  TellMemory();  // its queues were restarted
  EXPECT_EQ(events_.arenas, 1);
}

// A guest is stopped, and what came for it meanwhile would never be called again: its kernel asks
// to be called once, when it goes to sleep.
TEST_F(CarrierTest, ACallToAStoppedGuestIsMadeWhenItGoesOn) {
  Meet();
  EXPECT_EQ(CallsOfNewDescriptor(), 0u);
  carrier_->Call(0);
  EXPECT_EQ(CallsOfNewDescriptor(), 0u);  // masked, or unmasked: the one before has had it
  Tell(VhostRequest::kGetVringBase, VhostVringState{});
  EXPECT_EQ(CallsOfNewDescriptor(), 0u);
  Tell(VhostRequest::kGetVringBase, VhostVringState{});
  carrier_->Call(0);
  carrier_->Call(0);
  EXPECT_EQ(CallsOfNewDescriptor(), 1u);
  EXPECT_EQ(CallsOfNewDescriptor(), 0u);
}

// QEMU keeps its end of a kick descriptor that we have closed, and rings it; by then another file
// of ours has the number.
TEST_F(CarrierTest, AKickThatIsGoneSpeaksForNoOtherFile) {
  const std::vector<std::function<void()>> ends{
      [this] { Tell(VhostRequest::kGetVringBase, VhostVringState{}); },
      [this] {
        const UniqueFd another(eventfd(0, EFD_NONBLOCK));
        Tell(VhostRequest::kSetVringKick, std::uint64_t{0}, another.get());
      },
      [this] { Tell(VhostRequest::kSetVringKick, std::uint64_t{kVhostNoFd}); },
      [this] { carrier_->Forget(); }};
  for (const auto& end : ends) {
    carrier_->Forget();
    Meet();
    const UniqueFd kick(eventfd(0, EFD_NONBLOCK));
    Tell(VhostRequest::kSetVringKick, std::uint64_t{0}, kick.get());
    const std::uint64_t one = 1;
    events_.kicks = 0;
    EXPECT_EQ(write(kick.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
    carrier_->Progress();
    EXPECT_EQ(events_.kicks, 1);
    end();
    std::vector<UniqueFd> others;
    for (int i = 0; i < 8; ++i) others.emplace_back(eventfd(1, EFD_NONBLOCK));
    events_.kicks = 0;
    EXPECT_EQ(write(kick.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
    carrier_->Progress();
    EXPECT_EQ(events_.kicks, 0);
    for (const UniqueFd& other : others) {
      std::uint64_t value = 0;
      EXPECT_EQ(read(other.get(), &value, sizeof value), static_cast<ssize_t>(sizeof value));
    }
  }
}

// Whoever let go of a guest that runs on meets it again.
TEST_F(CarrierTest, AForgottenGuestIsAnnouncedAgain) {
  Meet();
  carrier_->Forget();
  Meet();
  EXPECT_EQ(events_.arenas, 2);
  EXPECT_EQ(events_.gone, 0);
}

}  // namespace
}  // namespace k42::interconnect
