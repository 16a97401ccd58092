// Commands that operators run on a node whose kernel keeps no promise.
#include "cluster-services/noded/run_service.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/noded/daemon_world.h"

namespace k42::noded {
namespace {

using abi::ControlKind;
using control::FrameType;

class RunTest : public DaemonWorld {
 protected:
  RunTest() : service_(server_, *daemon_) {
    Attach();
    daemon_->OnJoined(ALife());
    int ends[2] = {-1, -1};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    client_.Reset(ends[0]);
    server_.Adopt(interconnect::UniqueFd(ends[1]), {});
    const std::string ask =
        control::EncodeFrame(FrameType::kRequest, R"({"request": "run", "argv": ["/bin/yes"]})");
    EXPECT_EQ(write(client_.get(), ask.data(), ask.size()), static_cast<ssize_t>(ask.size()));
    RunLoop();
    port_->Drain();
    EXPECT_TRUE(heard_.Has(ControlKind::kRunStart));
    number_ = heard_.last_number;
  }
  void RunLoop() {
    int rounds = 4;
    loop_.Run([] { return std::size_t{0}; },
              [&] {
                if (--rounds == 0)
                  loop_.Stop();
                return 1;
              });
  }
  // A word of the kernel's, and it reads what came meanwhile.
  void Say(ControlKind kind, const std::string& payload) {
    global::LinkRequest request;
    request.channel = abi::Channel::kControl;
    request.peer = {abi::kDaemonNode, 0};
    request.frame.kind = abi::FrameKind::kControl;
    request.frame.method = static_cast<std::uint32_t>(kind);
    request.frame.sequence = number_;
    request.payload = std::as_bytes(std::span(payload));
    request.done = [](global::LinkRequest&) {};
    port_->Submit(request);
    for (int i = 0; i < 10 && request.outcome == abi::Outcome::kNone; ++i) {
      daemon_->Serve();
      port_->Drain();
    }
    ASSERT_EQ(request.outcome, abi::Outcome::kDone);
  }
  static std::string Output(std::size_t size) {
    return std::string("\1\0\0\0", 4) + std::string(size, 'y');
  }
  // The last frame that the operator gets, once it reads.
  control::Frame Last() {
    control::FrameReader reader;
    control::Frame last{};
    for (int i = 0; i < 1000; ++i) {
      RunLoop();
      char buffer[65536];
      const ssize_t size = recv(client_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (size == 0)
        break;
      if (size > 0)
        reader.Append({buffer, static_cast<std::size_t>(size)});
      while (auto frame = reader.Next()) last = *frame;
    }
    return last;
  }

  ControlServer server_{loop_};
  RunService service_;
  interconnect::UniqueFd client_;
  std::uint64_t number_ = 0;
};

// The operator reads nothing, so the kernel gets no credit in the end, and goes on all the same.
TEST_F(RunTest, ARunWhoseKernelSendsMoreThanItMayFails) {
  constexpr int kPieces = 1024;
  const std::string piece = Output(abi::kRunPiece);
  for (int i = 0; i < kPieces && !heard_.Has(ControlKind::kRunAbandon); ++i)
    Say(ControlKind::kRunOutput, piece);
  EXPECT_TRUE(heard_.Has(ControlKind::kRunAbandon));
  EXPECT_EQ(Last().type, FrameType::kFailed);
}

TEST_F(RunTest, ARunStartsOnce) {
  const std::string started(sizeof(abi::RunStarted), '\0');
  Say(ControlKind::kRunStarted, started);
  EXPECT_FALSE(heard_.Has(ControlKind::kRunAbandon));
  Say(ControlKind::kRunStarted, started);
  EXPECT_TRUE(heard_.Has(ControlKind::kRunAbandon));
  EXPECT_EQ(Last().type, FrameType::kFailed);
}

// Nothing costs no credit, and is nothing to the operator either.
TEST_F(RunTest, OutputOfNoBytesIsNone) {
  for (int i = 0; i < 100; ++i) Say(ControlKind::kRunOutput, Output(0));
  Say(ControlKind::kRunExit, std::string(4, '\0'));
  control::FrameReader reader;
  RunLoop();
  char buffer[4096];
  const ssize_t size = recv(client_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  ASSERT_GT(size, 0);
  reader.Append({buffer, static_cast<std::size_t>(size)});
  const auto first = reader.Next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->type, FrameType::kExit);
}

// What an operator has been given credit for arrives.
TEST_F(RunTest, OutputWithinTheWindowArrives) {
  Say(ControlKind::kRunOutput, Output(100));
  Say(ControlKind::kRunExit, std::string(4, '\0'));
  EXPECT_TRUE(heard_.Has(ControlKind::kRunCredit));
  EXPECT_EQ(Last().type, FrameType::kExit);
}

}  // namespace
}  // namespace k42::noded
