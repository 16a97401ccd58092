// UCX where the NIC does the work, without the transport above it: what keys are worth. With
// K42_RDMA_DEVICE ("rxe0:1", tests/cluster/rdma_test.py).
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

#include "interconnect/ucx_worker.h"

namespace k42::interconnect {
namespace {

class OneSided : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* device = getenv("K42_RDMA_DEVICE");
    if (device == nullptr)
      GTEST_SKIP() << "no device named";
    UcxOptions options{
        .transports = "rc_verbs,ud_verbs:aux", .net_devices = device, .one_sided = true};
    std::string error;
    for (auto* one : {&near_, &far_}) {
      *one = UcxWorker::Create(
          options, [this](auto) { ++heard_; }, &error);
      ASSERT_NE(*one, nullptr) << error;
      ASSERT_TRUE((*one)->OneSided());
    }
    endpoint_ = near_->Connect(far_->address(), [this] { failed_ = true; });
    ASSERT_NE(endpoint_, nullptr);
    near_->Send(endpoint_, UcxPacket{}, {}, [](bool) {});
    ASSERT_TRUE(Until([this] { return heard_ == 1; }));
    ASSERT_TRUE(near_->OneSided(endpoint_));
    local_ = near_->Register(std::as_writable_bytes(std::span(source_)));
    ASSERT_TRUE(local_);
  }
  template <typename Done>
  bool Until(Done done) {
    for (int i = 0; i < 200'000 && !done(); ++i) {
      near_->Progress();
      far_->Progress();
    }
    return done();
  }
  // Ended how? None: not at all.
  std::optional<bool> Put(const UcxKey& key, std::vector<std::uint64_t>& to) {
    auto ended = std::make_shared<std::optional<bool>>();
    near_->Put(endpoint_, std::as_bytes(std::span(source_)), local_,
               reinterpret_cast<std::uint64_t>(to.data()), key,
               [ended](bool fine) { *ended = fine; });
    Until([&] { return ended->has_value(); });
    return *ended;
  }

  std::unique_ptr<UcxWorker> near_, far_;
  UcxWorker::Endpoint endpoint_ = nullptr;
  std::vector<std::uint64_t> source_ = std::vector<std::uint64_t>(512, 7);
  UcxMemory local_;
  int heard_ = 0;
  bool failed_ = false;
};

// Two registrations of the same memory: the one that goes takes its key along, the other's serves.
TEST_F(OneSided, AKeyEndsWithItsRegistration) {
  std::vector<std::uint64_t> memory(512, 0);
  UcxMemory first = far_->Register(std::as_writable_bytes(std::span(memory)));
  UcxMemory second = far_->Register(std::as_writable_bytes(std::span(memory)));
  const UcxKey gone = near_->Unpack(endpoint_, first.Key());
  const UcxKey kept = near_->Unpack(endpoint_, second.Key());
  EXPECT_EQ(Put(gone, memory), true);
  EXPECT_EQ(memory, source_);
  first = {};
  source_.assign(512, 8);
  EXPECT_EQ(Put(kept, memory), true);
  EXPECT_EQ(memory, source_);
  source_.assign(512, 9);
  EXPECT_EQ(Put(gone, memory), false);
  EXPECT_EQ(memory[0], 8u);
}

}  // namespace
}  // namespace k42::interconnect
