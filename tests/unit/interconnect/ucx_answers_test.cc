// Answers over UCX from somebody who is not the target: who sends what is a header's word.
#include <gtest/gtest.h>

#include "interconnect/ucx_worker.h"
#include "unit/interconnect/test_fabric.h"

namespace k42::interconnect {
namespace {

TEST(UcxAnswers, WhoDoesNotKnowTheSessionEndsNothing) {
  TestFabric fabric(MakeUcxKind(), 2);
  TestNode& one = fabric.node(1);
  TestNode& two = fabric.node(2);
  Request get;
  get.peer = two.id();
  get.kind = OperationKind::kGet;
  get.window = two.Open(1, 0, 4096, abi::kAccessAll);
  get.local_offset = one.data();
  get.length = 8;
  EXPECT_EQ(fabric.Run(1, get).outcome, Outcome::kDone);
  const Token token = fabric.Begin(1, get);

  const std::vector<std::byte> body(get.length, std::byte{0x66});
  std::uint64_t left = 0;
  std::string error;
  const auto forger = UcxWorker::Create(
      {.transports = "tcp", .net_devices = "lo"}, [](auto) {}, &error);
  ASSERT_NE(forger, nullptr) << error;
  const UcxWorker::Endpoint endpoint = forger->Connect(one.address(), [] {});
  ASSERT_NE(endpoint, nullptr);
  constexpr std::uint64_t kGuesses = 64;
  for (std::uint64_t serial = 0; serial < kGuesses; ++serial) {
    UcxPacket answer{};
    answer.type = UcxPacketType::kAnswer;
    answer.sender_node = two.id().node;
    answer.sender_incarnation = two.id().incarnation;
    answer.serial = serial;
    forger->Send(endpoint, answer, body, [&left](bool) { ++left; });
  }
  const std::uint64_t end = fabric.kind().clock().NowNs() + 1'000'000'000;
  while (fabric.kind().clock().NowNs() < end) {  // the target stands still
    forger->Progress();
    one.Step();
  }
  EXPECT_EQ(left, kGuesses);
  EXPECT_EQ(one.recorder.Find(token), nullptr);
  EXPECT_EQ(fabric.End(1, token).outcome, Outcome::kDone);
  EXPECT_EQ(one.Read(0, get.length), std::string(get.length, '\0'));
}

}  // namespace
}  // namespace k42::interconnect
